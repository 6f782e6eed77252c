"""What a stranger's eye checks: short files, no address of this machine or of a registry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_LINES = 450


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_source_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in tracked()
        if path.suffix in {".py", ".vy", ".vyi", ".c", ".h"}
    }
    assert {name: count for name, count in long.items() if count > LIMIT_LINES} == {}


def test_no_registry_host_and_no_local_path_is_tracked() -> None:
    hosts = re.compile(r"py[p]i\.org|pythonh[o]sted|npm[j]s\.(?:org|com)|deb\.deb[i]an")
    paths = re.compile(r"[\s\"'=(:]/(?:ho[m]e|ro[o]t|wo[r]k)/")
    broken = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        if hosts.search(text) or paths.search(text):
            broken.append(str(path.relative_to(ROOT)))
    assert broken == []


def test_lock_files_carry_hashes_and_no_address() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        assert "://" not in text, path
        assert re.search(r"(?m)^-{1,2}(index|extra|find)", text) is None, path
        pinned = re.findall(r"(?m)^[A-Za-z0-9][^ ]*", text)
        assert pinned, path
        assert all("==" in line for line in pinned), path
        assert text.count("--hash=sha256:") >= len(pinned), path
    node = json.loads((ROOT / "package-lock.json").read_text())
    assert all("resolved" not in package for package in node["packages"].values())


def test_no_exception_is_swallowed() -> None:
    bare = re.compile(r"except(\s+(Base)?Exception)?\s*:\s*\n\s*(pass|continue)\b")
    broken = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and bare.search(path.read_text())
    ]
    assert broken == []


def test_every_script_answers_help() -> None:
    texts = {path.stem: path.read_text() for path in (ROOT / "scripts").glob("*.py")}
    scripts = sorted(name for name, text in texts.items() if "__main__" in text)
    assert len(scripts) >= 13
    for script in scripts:
        command = (sys.executable, "-m", f"scripts.{script}", "--help")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "usage: " in done.stdout.lower(), script


def test_links_in_documents_lead_somewhere() -> None:
    broken = []
    for path in tracked():
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
                if "://" not in target and not (path.parent / target).exists():
                    broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


def test_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        assert command in text


def test_every_exception_to_a_check_says_why() -> None:
    known = r"# (type: ignore\[[a-z, -]+\]|noqa: [A-Z0-9, ]*[0-9])"
    reason = re.compile(known + r" *(#|-)? *[^\s#-].{2,}")
    mark = re.compile(r"# (type: ignore|noqa)")
    broken = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if mark.search(line) and not reason.search(line)
    ]
    assert broken == []
