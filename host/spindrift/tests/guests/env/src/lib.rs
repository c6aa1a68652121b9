//! What a guest sees of its surroundings: environment, arguments, files, randomness, clocks, standard input. The
//! standard library asks WASI 0.2; what WASI 0.3 says is asked as well where both have it.

use std::fs;
use std::io::Read;
use std::time::{Instant, SystemTime};

use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::wasip3::{cli, clocks, filesystem, random};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let path = target.text("path", "/");
    let outcome = match target.operation() {
        "env" => Ok(environment()),
        "file" => fs::read(path).map(|content| json::bytes(Some(content))),
        "list" => list(&path),
        "preopens" => Ok(json::array(
            filesystem::preopens::get_directories()
                .iter()
                .map(|(_directory, path)| json::string(path)),
        )),
        "write" => fs::write(path, target.text("content", "written")).map(|()| "true".into()),
        "remove" => fs::remove_file(path).map(|()| "true".into()),
        "random" => Ok(randomness()),
        "clock" => Ok(time()),
        "stdin" => {
            let mut input = String::new();
            std::io::stdin()
                .read_to_string(&mut input)
                .map(|_| json::string(&input))
        }
        "stdin3" => {
            let (input, _end) = cli::stdin::read_via_stream();
            Ok(json::bytes(Some(input.collect().await)))
        }
        _ => return whole(404, json::error("unknown operation")),
    };
    match outcome {
        Ok(value) => whole(200, json::ok(value)),
        Err(error) => whole(200, json::error(format!("{:?}: {error}", error.kind()))),
    }
}

fn environment() -> String {
    let variables3 = cli::environment::get_environment();
    let variables2: Vec<_> = std::env::vars().collect();
    let variables = |all: &[(String, String)]| {
        json::object(
            all.iter()
                .map(|(name, value)| (name.as_str(), json::string(value))),
        )
    };
    let arguments = |all: &[String]| json::array(all.iter().map(|argument| json::string(argument)));
    json::object([
        ("env", variables(&variables2)),
        ("args", arguments(&std::env::args().collect::<Vec<_>>())),
        ("env3", variables(&variables3)),
        ("args3", arguments(&cli::environment::get_arguments())),
    ])
}

/// The names in a folder, sorted.
fn list(path: &str) -> std::io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(json::array(names.iter().map(|name| json::string(name))))
}

/// 16 bytes of each of WASI's random interfaces, in hexadecimal digits.
fn randomness() -> String {
    let hex = |bytes: &[u8]| {
        json::string(
            &bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    };
    json::object([
        ("random3", hex(&random::random::get_random_bytes(16))),
        (
            "insecure3",
            hex(&random::insecure::get_insecure_random_bytes(16)),
        ),
        (
            "seed3",
            json::string(&format!(
                "{:x?}",
                random::insecure_seed::get_insecure_seed()
            )),
        ),
        // The seeds of a new map come from WASI 0.2.
        ("random", json::string(&format!("{:x}", seed()))),
    ])
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// Seconds since the epoch, and nanoseconds of a clock that never goes back, before and after one another.
fn time() -> String {
    let start = Instant::now();
    let mark = clocks::monotonic_clock::now();
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let wall3 = clocks::system_clock::now().seconds;
    json::object([
        ("wall", wall.to_string()),
        ("wall3", wall3.to_string()),
        ("elapsed", start.elapsed().as_nanos().to_string()),
        (
            "elapsed3",
            (clocks::monotonic_clock::now() - mark).to_string(),
        ),
    ])
}
