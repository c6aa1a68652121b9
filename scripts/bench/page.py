"""The page `docs/benchmarks.md`, of which each benchmark writes its own sections, and what they all say of their origin."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
TITLE = "# Benchmarks\n"


def replace_section(path: pathlib.Path, section: str) -> None:
    """Puts a section, which begins with its `## ` heading, in the place of the one with the same heading, or at the end."""
    heading = section.partition("\n")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else TITLE
    title, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    headings = [one.partition("\n")[0] for one in sections]
    if heading in headings:
        sections[headings.index(heading)] = section
    else:
        sections.append(section)
    path.write_text("\n\n".join(one.strip() for one in (title, *sections)) + "\n")


def origin(command: str, versions: dict[str, str]) -> str:
    """What a section's numbers come from."""
    return (
        f"Written by `{command}`; do not edit.\n\n"
        f"- date: {datetime.date.today().isoformat()}\n"
        f"- commit: {commit()}\n"
        f"- machine: {machine()}\n"
        f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}"
    )


def commit() -> str:
    """The commit that is measured, as far as the checkout says."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout.strip()

    # The page itself is what a benchmark changes.
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/docs")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (", with changes" if changed else "")


def machine() -> str:
    def first(path: str, pattern: str, default: str) -> str:
        found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
        return found.group(1) if found else default

    processor = first("/proc/cpuinfo", r"^model name\s*:\s*(.+)$", platform.machine())
    kibibytes = int(first("/proc/meminfo", r"^MemTotal:\s*(\d+)", "0"))
    return f"{processor}, {os.cpu_count()} cores, {kibibytes / 2**20:.0f} GiB, Linux {platform.release()}"


def version_of(command: list[str], pattern: str = r"(\d+\.\d+[\w.-]*)") -> str:
    """The first version number that the command prints, wherever it prints it."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def locked_version(lock_file: pathlib.Path, crate: str) -> str:
    """The version of a crate in Cargo.lock."""
    found = re.search(rf'^name = "{re.escape(crate)}"\nversion = "(.+)"$', lock_file.read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"
