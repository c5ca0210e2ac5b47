"""Search for files that a reader does not bear: `python tests/fuzz.py --seconds 600 extxyz job`.

Each reader gets a process of its own, in which atheris changes the files that it can read at
random and keeps those that reach new code. A file that makes a mistake of ours plain is left in the
folder of findings; put it into `tests/data/fuzz_found/READER/` once the mistake is mended.
"""

import argparse
import random
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from tempfile import mkdtemp

HERE = Path(__file__).parent
SECONDS_OF_ONE_FILE = 20
MEGABYTES = 3000
MOST_BYTES = 20_000
OF_ONE = "--one"
"""How this file calls itself for one reader."""
OF_OTHERS = ("yaml", "ase.io.extxyz", "ase.io.vasp", "ase.io.ulm", "ase.io.trajectory")


def main() -> int:
    """All readers that are asked for, one after the other."""
    if sys.argv[1:2] == [OF_ONE]:
        _search(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    from fuzz_readers import READERS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    parser.add_argument("--seconds", type=int, default=600, help="for each reader (600)")
    parser.add_argument("--findings", default="build/fuzz", help="folder (build/fuzz)")
    given = parser.parse_args()
    for name in given.readers:
        if name not in READERS:
            parser.error(f"{name} is no reader; there are {', '.join(READERS)}")
    findings = Path(given.findings)
    findings.mkdir(parents=True, exist_ok=True)
    ended = 0
    for name in given.readers or READERS:
        print(f"== {name}: {given.seconds} s", flush=True)
        command = [sys.executable, __file__, OF_ONE, name, str(given.seconds), given.findings]
        ended += subprocess.run(command, check=False).returncode != 0
    found = sorted(path.name for path in findings.iterdir())
    print(f"{ended} readers ended early; findings in {findings}: {', '.join(found) or 'none'}")
    return int(ended > 0 or len(found) > 0)


def _search(name: str, seconds: int, findings: Path) -> None:
    """Does not come back: atheris ends the process."""
    import atheris

    with atheris.instrument_imports(include=["miniff", *OF_OTHERS]):
        from fuzz_inputs import mutated
        from fuzz_readers import READERS, complaint

    reader = READERS[name]
    corpus, folder = (Path(mkdtemp(prefix="miniff-fuzz-")) for _ in range(2))
    for k, seed in enumerate(reader.seeds()):
        (corpus / str(k)).write_bytes(seed)
    warnings.simplefilter("ignore")

    known: set[str] = set()

    def try_one(data: bytes) -> None:
        try:
            said, what = complaint(reader, folder, data), ""
            if said is None:
                return
            what = said.partition(":")[0]
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            what = repr(traceback.extract_tb(error.__traceback__)[-1])
        if what not in known:  # one file for each mistake, and the search goes on
            known.add(what)
            (findings / f"{name}-{len(known)}").write_bytes(data)
            print(f"FOUND {name}-{len(known)}: {said:.300}\n  {what:.300}", flush=True)

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, rng)[:most]

    options = [*_limits(seconds), f"-artifact_prefix={findings}/{name}-", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_one, custom_mutator=change)
    atheris.Fuzz()


def _limits(seconds: int) -> list[str]:
    """Of a search, as libFuzzer's options."""
    return [
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS_OF_ONE_FILE}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={MOST_BYTES}",
    ]


if __name__ == "__main__":
    sys.exit(main())
