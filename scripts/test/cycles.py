"""Finds files of the host that need each other in a circle.

    cycles.py [--graph CRATE] [--except CRATE]

    --graph    prints which file of the crate needs which
    --except   leaves this crate out

A file needs another one if it names something that the other one defines: by `use`, or by a path in its code. `lib.rs`,
`main.rs` and `mod.rs` are not counted, since they only pass names on; a name that comes through them is followed to the file
that defines it. Code for tests is left out.

A room is a folder of a crate's sources. No circle may cross the border of a room, and none may have more than four files. A
file `store.rs` and the folder `store/` beside it are one room.
"""

import argparse
import re
import sys
from pathlib import Path

HOST = Path(__file__).resolve().parents[2] / "host"
MOST_FILES = 4

STRING = re.compile(r'b?r?(#*)"(?:\\.|[^"\\])*?"\1|\'(?:\\.|[^\'\\])\'')
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
TEST_ITEM = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*")
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(r"(?<![\w:$])(?:\w+::)+\w+")
CHILD = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", re.MULTILINE)


def without_tests(text: str) -> str:
    """The code without items that are for tests alone."""
    kept, at = [], 0
    while found := TEST_ITEM.search(text, at):
        kept.append(text[at : found.start()])
        end, depth = found.end(), 0
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            if depth == 0 and text[end - 1] in ";}":
                break
        at = end
    return "".join([*kept, text[at:]])


def expand(tree: str, prefix: tuple[str, ...] = ()):
    """The paths of a `use`, each with the name that it goes by here."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    if not brace:
        path, _, alias = tree.partition(" as ")
        parts = prefix + tuple(part.strip() for part in path.split("::") if part.strip())
        if parts and parts[-1] == "self":
            parts = parts[:-1]
        yield parts, (alias or (parts[-1] if parts else "")).strip()
        return
    inner = prefix + tuple(part.strip() for part in head.split("::") if part.strip())
    depth, start, body = 0, 0, rest[: rest.rindex("}")]
    for at, c in enumerate(body + ","):
        depth += {"{": 1, "}": -1}.get(c, 0)
        if c == "," and depth == 0:
            if body[start:at].strip():
                yield from expand(body[start:at], inner)
            start = at + 1


class Crate:
    """The sources of a crate, by the path of their module."""

    def __init__(self, folder: Path):
        self.folder = folder / "src"
        self.files: dict[tuple[str, ...], Path] = {}
        self.code: dict[tuple[str, ...], str] = {}
        self.children: dict[tuple[str, ...], set[str]] = {}
        self.names: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
        self.read((), self.folder / "lib.rs")
        for module in self.files:
            self.names[module] = {
                name: self.absolute(module, path)
                for tree in USE.findall(self.code[module])
                for path, name in expand(tree)
            }

    def read(self, module: tuple[str, ...], path: Path) -> None:
        code = COMMENT.sub("", STRING.sub('""', path.read_text()))
        code = without_tests(code)
        self.files[module], self.code[module] = path, code
        self.children[module] = set(CHILD.findall(code))
        own = path.parent if path.name in ("lib.rs", "mod.rs") else path.with_suffix("")
        for child in self.children[module]:
            file = own / f"{child}.rs"
            self.read((*module, child), file if file.exists() else own / child / "mod.rs")

    def absolute(self, module: tuple[str, ...], path: tuple[str, ...]) -> tuple[str, ...]:
        """The path from the crate's root; empty if it leads out of the crate."""
        if not path:
            return ()
        if path[0] == "crate":
            return path[1:]
        if path[0] == "self":
            return module + path[1:]
        if path[0] == "super":
            ups = next((i for i, part in enumerate(path) if part != "super"), len(path))
            return module[: len(module) - ups] + path[ups:] if ups <= len(module) else ()
        if path[0] in self.children.get(module, ()):
            return module + path
        return ()

    def file_of(self, path: tuple[str, ...], seen: frozenset = frozenset()):
        """The module whose file defines what a path names."""
        if path in seen:
            return None
        module = path
        while module not in self.files:
            if not module:
                return None
            module = module[:-1]
        if len(path) > len(module):
            name = path[len(module)]
            through = self.names.get(module, {}).get(name)
            if through and self.passes_on(module):
                return self.file_of(through + path[len(module) + 1 :], seen | {path})
        return module

    def passes_on(self, module: tuple[str, ...]) -> bool:
        return self.files[module].name in ("lib.rs", "mod.rs", "main.rs")

    def needs(self) -> dict[Path, set[Path]]:
        graph: dict[Path, set[Path]] = {}
        for module, file in self.files.items():
            if self.passes_on(module):
                continue
            paths = [self.names[module].values()]
            code = USE.sub("", self.code[module])
            paths.append(self.absolute(module, tuple(path.split("::"))) for path in PATH.findall(code))
            needed = graph.setdefault(file, set())
            for path in (path for some in paths for path in some if path):
                found = self.file_of(path)
                if found is not None and not self.passes_on(found) and self.files[found] != file:
                    needed.add(self.files[found])
        return graph


def circles(graph: dict[Path, set[Path]]):
    """The strongly connected components of more than one file (Tarjan's algorithm)."""
    index: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found: list[list[Path]] = []

    def visit(file: Path) -> None:
        index[file] = low[file] = len(index)
        stack.append(file)
        for other in sorted(graph.get(file, ())):
            if other not in index:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], index[other])
        if low[file] == index[file]:
            circle = stack[stack.index(file) :]
            del stack[stack.index(file) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for file in sorted(graph):
        if file not in index:
            visit(file)
    return found


def room(crate: Crate, file: Path) -> Path:
    """The topmost folder that a file is in, or that is named after it."""
    parts = file.relative_to(crate.folder).with_suffix("").parts
    is_folder = len(parts) > 1 or (crate.folder / parts[0]).is_dir()
    return crate.folder / parts[0] if is_folder else crate.folder


def main(shown: str | None, excepted: str | None) -> int:
    faults = 0
    for folder in sorted(path.parent for path in HOST.glob("*/Cargo.toml")):
        crate = Crate(folder)
        graph = crate.needs()
        if excepted == folder.name:
            continue
        if shown == folder.name:
            for file, needed in sorted(graph.items()):
                names = " ".join(str(one.relative_to(crate.folder)) for one in sorted(needed))
                print(f"{file.relative_to(crate.folder)}: {names}")
        for circle in circles(graph):
            rooms = {room(crate, file) for file in circle}
            names = ", ".join(str(file.relative_to(HOST)) for file in circle)
            if len(rooms) > 1:
                print(f"a circle crosses {len(rooms)} rooms: {names}")
                faults += 1
            elif len(circle) > MOST_FILES:
                print(f"a circle has {len(circle)} files, and {MOST_FILES} are the most: {names}")
                faults += 1
    if not faults:
        print("no circle crosses a room, and none has more than four files")
    return 1 if faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--graph")
    parser.add_argument("--except", dest="excepted")
    options = parser.parse_args()
    sys.exit(main(options.graph, options.excepted))
