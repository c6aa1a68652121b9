//! Files of a component: which are seen, where, and what is wrong with entries that name none.

use tempfile::TempDir;

use super::*;

/// An application's folder, whose name has glob characters in it.
struct Folder {
    _temporary: TempDir,
    root: PathBuf,
}

fn folder() -> Folder {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let root = temporary.path().join("app [1]*");
    for file in [
        "a.txt",
        "b.txt",
        ".hidden",
        "assets/x.png",
        "assets/y.jpg",
        "assets/deep/z.png",
        "assets/deep/secret.txt",
    ] {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(path, file).expect("the file is written");
    }
    Folder {
        _temporary: temporary,
        root,
    }
}

fn files(folder: &Folder, mounts: &[(&str, Option<&str>)], exclude: &[&str]) -> Files {
    let mounts = mounts
        .iter()
        .enumerate()
        .map(|(index, (source, destination))| {
            let checked = match destination {
                Some(_) => check_placed(source),
                None => check_pattern(source),
            };
            checked.unwrap_or_else(|fault| panic!("{source}: {fault}"));
            FileMount {
                source: (*source).to_owned(),
                destination: destination.map(str::to_owned),
                line: index + 1,
            }
        })
        .collect();
    Files {
        mounts,
        exclude: exclude
            .iter()
            .map(|pattern| Pattern::new(pattern).expect("a pattern"))
            .collect(),
        origin: Origin::Manifest("spin.toml".into()),
        root: folder.root.clone(),
    }
}

/// `guest <- host`, the host relative to the application's folder.
fn seen(folder: &Folder, mounts: &[(&str, Option<&str>)], exclude: &[&str]) -> Vec<String> {
    let resolved = files(folder, mounts, exclude)
        .resolve()
        .expect("the entries are good");
    resolved
        .iter()
        .map(|file| {
            let host = file.host.strip_prefix(&folder.root).expect("it is inside");
            format!("{} <- {}", file.guest.display(), clean(host).display())
        })
        .collect()
}

#[test]
fn entries_are_files_folders_patterns_and_placements() {
    let folder = folder();
    for (mount, expected) in [
        (("a.txt", None), &["/a.txt <- a.txt"][..]),
        (("./a.txt", None), &["/a.txt <- a.txt"]),
        (("*.txt", None), &["/a.txt <- a.txt", "/b.txt <- b.txt"]),
        (("./[a]*", None), &["/a.txt <- a.txt"]),
        (
            ("assets/*", None),
            &[
                "/assets/x.png <- assets/x.png",
                "/assets/y.jpg <- assets/y.jpg",
            ],
        ),
        (
            ("**/*.png", None),
            &[
                "/assets/deep/z.png <- assets/deep/z.png",
                "/assets/x.png <- assets/x.png",
            ],
        ),
        (
            ("assets", None),
            &[
                "/assets/deep/secret.txt <- assets/deep/secret.txt",
                "/assets/deep/z.png <- assets/deep/z.png",
                "/assets/x.png <- assets/x.png",
                "/assets/y.jpg <- assets/y.jpg",
            ],
        ),
        (
            ("assets/deep", Some("/")),
            &[
                "/secret.txt <- assets/deep/secret.txt",
                "/z.png <- assets/deep/z.png",
            ],
        ),
        (
            ("assets/deep/", Some("/d/e/")),
            &[
                "/d/e/secret.txt <- assets/deep/secret.txt",
                "/d/e/z.png <- assets/deep/z.png",
            ],
        ),
        (("a.txt", Some("/etc/a")), &["/etc/a <- a.txt"]),
        (("a.txt", Some("a")), &["/a <- a.txt"]),
        (("none*", None), &[]),
    ] {
        assert_eq!(seen(&folder, &[mount], &[]), expected, "{mount:?}");
    }
    assert!(files(&folder, &[], &[]).is_empty());
    assert_eq!(seen(&folder, &[], &[]), [""; 0]);
}

#[test]
fn a_placement_may_be_the_folder_itself_or_beside_it() {
    let folder = folder();
    let guests = |source: &str| -> Vec<_> {
        let resolved = files(&folder, &[(source, Some("/s"))], &["**/secret*"]).resolve();
        let resolved = resolved.expect("the entry is good");
        let guests = resolved.iter().map(|file| {
            assert!(file.host.is_file(), "{file:?}");
            file.guest.display().to_string()
        });
        guests.collect()
    };
    let assets = ["/s/deep/z.png", "/s/x.png", "/s/y.jpg"];
    assert_eq!(guests("assets/deep/.."), assets);
    let name = folder.root.file_name().expect("a name").to_string_lossy();
    assert_eq!(guests(&format!("../{name}/assets")), assets);
    for itself in [".", "./"] {
        let all = guests(itself);
        assert!(all.contains(&"/s/assets/x.png".to_owned()), "{all:?}");
        assert!(all.contains(&"/s/a.txt".to_owned()), "{all:?}");
    }
    let absolute = "\"/etc\" is absolute; write it relative to the application's folder";
    assert_eq!(check_placed("/etc"), Err(absolute.to_owned()));
}

#[test]
fn what_is_excluded_is_not_there() {
    let folder = folder();
    assert_eq!(
        seen(
            &folder,
            &[("assets", None), ("a.txt", None), ("b.txt", Some("/c.txt"))],
            &["assets/*/secret*", "*.jpg", "a.txt"]
        ),
        [
            "/assets/deep/z.png <- assets/deep/z.png",
            "/assets/x.png <- assets/x.png",
            "/c.txt <- b.txt"
        ]
    );
    assert_eq!(
        seen(&folder, &[("assets/deep", Some("/"))], &["**/secret.txt"]),
        ["/z.png <- assets/deep/z.png"]
    );
}

#[test]
fn the_later_of_two_files_at_one_path_counts() {
    let folder = folder();
    assert_eq!(
        seen(&folder, &[("a.txt", None), ("b.txt", Some("/a.txt"))], &[]),
        ["/a.txt <- b.txt"]
    );
}

#[test]
fn faults_are_named_with_the_line_of_the_entry() {
    let folder = folder();
    let root = folder.root.display();
    for (mounts, expected) in [
        (&[("a.txt", None), ("c.txt", None)][..], format!("spin.toml:2: `files`: there is no \"c.txt\" in {root}")),
        (&[("none", Some("/"))][..], format!("spin.toml:1: `files`: there is no \"none\" in {root}")),
        (
            &[("a.txt", Some("/x/"))][..],
            "spin.toml:1: the destination \"/x/\" is a folder and the source \"a.txt\" a file; name the file".to_owned(),
        ),
        (
            &[("a.txt", Some("/x")), ("b.txt", Some("/x/y/z"))][..],
            "spin.toml:2: /x/y/z would lie in /x, which another entry makes a file".to_owned(),
        ),
    ] {
        let found = files(&folder, mounts, &[]).resolve().map(drop).map_err(|error| error.to_string());
        assert_eq!(found, Err(expected), "{mounts:?}");
    }
    for (source, fault) in [
        ("", "the path is empty"),
        (
            "a/../../b",
            "\"a/../../b\" leads out of the application's folder; write where its files are to be, as in { source = \"a/../../b\", destination = \"/\" }",
        ),
        (
            "/a",
            "\"/a\" is absolute; write it relative to the application's folder",
        ),
        (
            "./",
            "\"./\" is a folder; write \"./**/*\" for everything in it",
        ),
        (
            "a/.",
            "\"a/.\" is a folder; write \"./**/*\" for everything in it",
        ),
    ] {
        assert_eq!(check_pattern(source), Err(fault.to_owned()), "{source}");
    }
    assert!(check_pattern("a/***").is_err());
}

#[test]
fn staging_lays_the_files_down() {
    let folder = folder();
    let dest = tempfile::tempdir().expect("a temporary folder");
    let dest = dest.path().join("not/yet/there");
    files(
        &folder,
        &[("assets/deep", Some("/d")), ("a.txt", None)],
        &["**/secret*"],
    )
    .stage(&dest)
    .expect("the files can be copied");
    let read = |path: &str| std::fs::read_to_string(dest.join(path)).ok();
    assert_eq!(read("d/z.png").as_deref(), Some("assets/deep/z.png"));
    assert_eq!(read("a.txt").as_deref(), Some("a.txt"));
    assert_eq!(read("d/secret.txt"), None);

    let empty = dest.join("empty");
    files(&folder, &[], &[])
        .stage(&empty)
        .expect("nothing is to be copied");
    assert!(empty.is_dir());
}
