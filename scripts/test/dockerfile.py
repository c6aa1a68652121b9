"""Reads the Dockerfile: its stages and instructions, and what the final stage says of the process that it starts. Knows no
more of the format than our Dockerfile uses, and refuses what it does not know.
"""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

# Those that change what is in the image or how it runs.
KNOWN = {"ARG", "FROM", "RUN", "COPY", "WORKDIR", "ENV", "LABEL", "EXPOSE", "USER", "ENTRYPOINT", "CMD"}


@dataclass
class Copy:
    """`COPY --from=STAGE --chown=OWNER SOURCE... TARGET`"""

    stage: str | None
    owner: str | None
    sources: list[str]
    target: str


@dataclass
class Stage:
    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [text for word, text in self.instructions if word == keyword]

    def last(self, keyword: str) -> str | None:
        return next(reversed(self.all(keyword)), None)

    def copies(self) -> list[Copy]:
        return [copy(text) for text in self.all("COPY")]

    def env(self) -> dict[str, str]:
        return pairs(self.all("ENV"))

    def labels(self) -> dict[str, str]:
        return pairs(self.all("LABEL"))

    def workdir(self) -> str:
        return self.last("WORKDIR") or "/"

    def user(self) -> tuple[int, int]:
        """The user's and the group's id, which have to be numbers: Kubernetes cannot tell otherwise that it is not root."""
        user, _, group = (self.last("USER") or "0:0").partition(":")
        return int(user), int(group or user)

    def command(self, arguments: list[str] | None = None) -> list[str]:
        """The entry point, with `arguments` or else those of CMD."""
        entry = json.loads(self.last("ENTRYPOINT") or "[]")
        return entry + (json.loads(self.last("CMD") or "[]") if arguments is None else arguments)


def pairs(texts: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for text in texts for pair in shlex.split(text))


def copy(text: str) -> Copy:
    words = shlex.split(text)
    flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    if unknown := set(flags) - {"from", "chown"}:
        raise ValueError(f"COPY has flags that are not known here: {sorted(unknown)}")
    *sources, target = [word for word in words if not word.startswith("--")]
    return Copy(flags.get("from"), flags.get("chown"), sources, target)


def read(path: Path) -> list[Stage]:
    """The stages, the final one last."""
    # Comments go before lines are joined, as in Docker.
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        keyword, text = line.strip().split(maxsplit=1)
        if keyword not in KNOWN:
            raise ValueError(f"{path}: {keyword} is not known here")
        if keyword == "FROM":
            base, *name = re.split(r"\s+AS\s+", text)
            stages.append(Stage(name[0] if name else "", base))
        elif stages:
            stages[-1].instructions.append((keyword, text))
    return stages
