"""A team's own code, named by an import path in the settings: its function, its files, the packages that it imports.

Both engines use it. The files are logged with each model, so that the model loads where the package is not installed or
has moved on. Whatever is wrong with the code is a ConfigurationError of one sentence.
"""

import ast
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import ConfigurationError, RatchetError, first_line
from ratchet.settings import Settings

# Of no help to the author of a module that fails at its import.
_IMPORTING = (Path(__file__).resolve(), Path(importlib.__file__).resolve())


@dataclass(frozen=True)
class OwnCode:
    """A function of a team's package.

    setting: its key in the settings, for messages. path: `module.path:name`. files: the folder of the package, or the
    file of a single module. requirements: in pip's form, the installed packages that its files import.
    """

    setting: str
    path: str
    call: Callable[..., Any]
    files: Path
    requirements: tuple[str, ...]

    @property
    def name(self) -> str:
        """The setting with its value, the beginning of a message."""
        return f"{self.setting} {self.path}"

    def made(
        self,
        settings: Settings,
        numeric: Sequence[str],
        categorical: Sequence[str],
        params: Mapping[str, object],
        **more: object,
    ) -> Any:
        """What the function returns for these features and parameters, and `more` of the engine's own.

        Raises ConfigurationError if it takes other arguments, or fails.
        """
        given: dict[str, object] = {"numeric": list(numeric), "categorical": list(categorical), "params": dict(params)}
        given |= {"seed": settings.seed} | more
        if settings.data.features:
            given["features"] = list(settings.data.features)
        try:
            inspect.signature(self.call).bind(**given)
        except TypeError as error:
            message = f"{self.name} can't be called with {', '.join(given)} as keywords: {error}"
            raise ConfigurationError(message) from error
        except ValueError:
            pass  # a callable in C, which shows no signature
        with self.errors("its call"):
            return self.call(**given)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Inside, an error that the code raises becomes a ConfigurationError. what: a verb, such as `fit`."""
        try:
            yield
        except (RatchetError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            message = f"{self.name} fails in {what}: {_told(error, self.files)}"
            raise ConfigurationError(message) from error


def own_code(setting: str, path: str) -> OwnCode:
    """Import a function. path: `module.path:name`. Raises ConfigurationError if there is none, or its import fails."""
    module_name, _, name = path.partition(":")
    module = _imported(setting, path, module_name)
    if not hasattr(module, name):
        its_own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module_name]
        names = [key for key in its_own if callable(getattr(module, key)) and not key.startswith("_")]
        message = (
            f"{setting} is {path!r}, and {module_name} has no {name!r}; it has {', '.join(names) or 'no function'}"
        )
        raise ConfigurationError(message)
    call = getattr(module, name)
    if not callable(call):
        message = f"{setting} is {path!r}, which is a {type(call).__name__}; a function is accepted"
        raise ConfigurationError(message)
    files = _files(setting, path, sys.modules[module_name.partition(".")[0]])
    return OwnCode(setting, path, call, files, _requirements(setting, path, files))


def check_raw(settings: Settings, engine: str) -> None:
    """Raises ConfigurationError if there are features of `data.features` and the estimator is not the team's own."""
    try:
        settings.check_raw(engine)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def digest(files: Path) -> str:
    """A hash of the files of a package or a module: of their names and their content."""
    seal = hashlib.sha256()
    for file in _sources(files):
        content = file.read_bytes()
        seal.update(f"{file.relative_to(files.parent)}\0{len(content)}\0".encode())
        seal.update(content)
    return seal.hexdigest()


def _imported(setting: str, path: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            message = (
                f"{setting} is {path!r}, and there is no module {error.name!r}: its package is neither installed nor"
                " in a folder that PYTHONPATH names"
            )
            raise ConfigurationError(message) from error
        message = f"{setting} is {path!r}, and {module} imports {error.name!r}, which is not installed here"
        raise ConfigurationError(message) from error
    except (Exception, SystemExit) as error:
        message = f"{setting} is {path!r}, and importing {module} fails: {_told(error, None)}"
        raise ConfigurationError(message) from error


def _told(error: BaseException, files: Path | None) -> str:
    """The error with its type and the last line of the team's own code on the way to it."""
    places = [(Path(frame.filename).resolve(), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [place for place in places if (place[0].is_relative_to(files) if files else place[0] not in _IMPORTING)]
    last = "".join(f" ({file.name}, line {line})" for file, line in own[-1:] if file.suffix == ".py")
    text = first_line(error)
    kind = type(error).__name__
    return f"{kind if text == kind else f'{kind}: {text}'}{last}"


def _files(setting: str, path: str, top: Any) -> Path:
    places = [Path(place) for place in getattr(top, "__path__", [getattr(top, "__file__", None) or ""])]
    if len(places) == 1 and (places[0].is_dir() or (places[0].suffix == ".py" and places[0].is_file())):
        return places[0].resolve()
    message = f"{setting} is {path!r}, and {top.__name__} is not one folder or file of Python, so no model can carry it"
    raise ConfigurationError(message)


def _sources(files: Path) -> list[Path]:
    if files.is_file():
        return [files]
    return sorted(file for file in files.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _requirements(setting: str, path: str, files: Path) -> tuple[str, ...]:
    """The installed packages that the files import, in their versions; what can't be found may be optional."""
    owners = importlib.metadata.packages_distributions()
    found = set()
    for file in (file for file in _sources(files) if file.suffix == ".py"):
        for name in sorted(_imports(setting, path, file) - sys.stdlib_module_names - {files.stem}):
            if name in owners:
                found.add(owners[name][0])
            elif importlib.util.find_spec(name) is not None:
                message = (
                    f"{setting} is {path!r}, and {file.name} imports {name!r}, which belongs to no installed package,"
                    f" so no server would have it; move it into the package {files.stem!r}"
                )
                raise ConfigurationError(message)
    return tuple(f"{name}=={importlib.metadata.version(name)}" for name in sorted(found))


def _imports(setting: str, path: str, file: Path) -> set[str]:
    """The top-level modules that a file imports anywhere, without those relative to itself."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        message = f"{setting} is {path!r}, and {file.name} of its package is not valid Python: {first_line(error)}"
        raise ConfigurationError(message) from error
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    return names
