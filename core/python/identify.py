"""Which code a Python script is made of: its local modules by their syntax, installed distributions by name and version.

Run by the user's own Python. Reads a request from standard input, and answers with JSON. Nothing of the user's is executed:
modules are found as the interpreter would find them, and parsed.
"""
import json
import platform
import sys

if sys.version_info < (3, 8):
    print(json.dumps({"old": platform.python_version()}))
    sys.exit(0)

import ast
import hashlib
import importlib.metadata as metadata
import os
import re
import site
import sysconfig
import types

DIGEST_OF_ORDER = "the order of statements"


class Told(Exception):
    """Something that must be written otherwise: where, and what."""

    def __init__(self, file, line, text):
        super().__init__(text)
        self.about = {"file": file, "line": line, "text": text}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def is_in(file, folder):
    return file == folder or file.startswith(folder.rstrip(os.sep) + os.sep)


def site_folders():
    found = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found += getattr(site, "getsitepackages", lambda: [])()
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    found += [each for each in sys.path if os.path.basename(each) in ("site-packages", "dist-packages")]
    return [os.path.abspath(each) for each in dict.fromkeys(found) if each]


SITES = site_folders()
STANDARD = [os.path.abspath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
STANDARD += [os.path.abspath(each) for each in sys.path if os.path.basename(each) == "lib-dynload"]


# ---- installed distributions ----


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


class Distributions:
    """Installed distributions, found by the files and modules that they hold."""

    def __init__(self):
        self.by_top = None
        self.by_name = {}
        for each in metadata.distributions():
            name = each.metadata["Name"]
            if name:
                self.by_name.setdefault(normal(name), each)

    @staticmethod
    def tops(dist):
        listed = dist.read_text("top_level.txt")
        names = set((listed or "").split())
        if not names:
            for file in dist.files or []:
                first = file.parts[0]
                if len(file.parts) > 1 and not first.endswith((".dist-info", ".egg-info")) and first != "..":
                    names.add(first)
                elif first.endswith((".py", ".so", ".pyd")):
                    names.add(first.split(".")[0])
        return names

    def of_top(self, name):
        """The distributions that hold the module called `name`."""
        likely = self.by_name.get(normal(name))
        if likely is not None and name in self.tops(likely):
            return [likely]
        if self.by_top is None:
            self.by_top = {}
            for dist in self.by_name.values():
                for top in self.tops(dist):
                    self.by_top.setdefault(top, []).append(dist)
        return self.by_top.get(name, [])

    @staticmethod
    def version(dist):
        version = dist.version or "no version"
        # not from an index: the version says nothing of the content
        direct = dist.read_text("direct_url.json")
        record = dist.read_text("RECORD") if direct else None
        return version if record is None else f"{version} {sha256(record.encode())[:16]}"

    def closure(self, names):
        """Versions of the distributions and of what they require, as far as it is installed."""
        found, left = {}, list(names)
        while left:
            name = normal(left.pop())
            if name in found or name not in self.by_name:
                continue
            dist = self.by_name[name]
            found[name] = self.version(dist)
            left += [re.match(r"[A-Za-z0-9._-]+", each).group(0) for each in dist.requires or []]
        return found


# ---- the syntax of one module ----


def is_docstring(body):
    return bool(body) and isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str)


def is_type_checking(test):
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


class Plain(ast.NodeTransformer):
    """The tree without what nothing comes of: docstrings, and imports for checkers of types."""

    def __init__(self, keeps_docs):
        self.keeps_docs = keeps_docs

    def without_doc(self, node):
        self.generic_visit(node)
        if not self.keeps_docs and is_docstring(node.body):
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = without_doc

    def visit_If(self, node):
        self.generic_visit(node)
        return node.orelse if is_type_checking(node.test) else node


def names_in(target):
    return [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]


def label(statement):
    """The name by which a person knows a statement."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return statement.name
    targets = getattr(statement, "targets", None) or ([statement.target] if hasattr(statement, "target") else [])
    names = [name for target in targets for name in names_in(target)]
    if names and isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return ", ".join(names)
    return "imports" if isinstance(statement, (ast.Import, ast.ImportFrom)) else "statements"


def statements(tree):
    """Label -> digest of the statements under it."""
    dumps, order = {}, []
    for statement in tree.body:
        name = label(statement)
        order.append(name)
        dumps.setdefault(name, []).append(ast.dump(statement))
    found = {name: sha256("\n".join(each).encode("utf-8", "surrogatepass")) for name, each in dumps.items()}
    found[DIGEST_OF_ORDER] = sha256("\n".join(order).encode())
    return found


def mentions(tree, names):
    return any(
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.alias) and not names.isdisjoint(node.name.split(".")))
        or (isinstance(node, ast.ImportFrom) and not names.isdisjoint((node.module or "").split(".")))
        for node in ast.walk(tree)
    )


def reads_resources(tree):
    return mentions(tree, {"importlib_resources", "pkgutil", "pkg_resources", "resources", "get_data"})


def literal(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


class Imports:
    """The modules that a tree imports, by their full names; a name that is taken from a module may be one too."""

    def __init__(self, tree, module, file):
        self.package, self.file = module["package"], file
        self.found = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.found += [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = self.absolute(node.module or "", node.level)
                if base is not None:
                    self.found += [base] + [f"{base}.{each.name}" for each in node.names if each.name != "*"]
            elif isinstance(node, ast.Call):
                self.call(node)

    def absolute(self, name, level):
        if level == 0:
            return name
        parts = self.package.split(".") if self.package else []
        if level > len(parts):
            return None
        return ".".join(parts[: len(parts) - level + 1] + ([name] if name else []))

    def call(self, node):
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", None)
        if name not in ("import_module", "__import__"):
            return
        given = node.args[0] if node.args else next((each.value for each in node.keywords if each.arg == "name"), None)
        text = literal(given) if given is not None else None
        if text is None:
            raise Told(
                self.file,
                node.lineno,
                f"expected {name} with the name of a module, but found a computed one, which could mean any. "
                f'Write out what it may mean: {{"a": lambda: import_module("models.a"), "b": lambda: import_module("models.b")}}[name]()',
            )
        level = len(text) - len(text.lstrip("."))
        absolute = self.absolute(text[level:], level)
        if absolute:
            self.found.append(absolute)


# ---- finding modules ----


def find_in(parent, folders, name):
    """The spec of a module in a package, which a namespace in it asks for among those that are loaded."""
    if parent in sys.modules:
        return find(name, folders)
    standing = types.ModuleType(parent)
    standing.__path__ = folders
    sys.modules[parent] = standing
    try:
        return find(name, folders)
    finally:
        del sys.modules[parent]


def find(name, path):
    """The spec of a module, by the interpreter's own finders; nothing is imported."""
    for finder in sys.meta_path:
        if not hasattr(finder, "find_spec"):
            continue
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # a finder of a package's own, which wants its parents to be loaded
            spec = None
        if spec is not None:
            return spec
    return None


def folders_of(spec):
    locations = spec.submodule_search_locations
    if locations is None:
        return None
    try:
        return list(locations)
    except Exception:  # of a namespace whose parent is not loaded
        return list(getattr(locations, "_path", []))


class Closure:
    """All that one script is made of."""

    def __init__(self, request, root, distributions):
        self.root, self.distributions = root, distributions
        self.script = request["script"]
        self.modules, self.trees, self.texts = {}, {}, {}
        self.files, self.tops, self.absent, self.packages = {}, set(), set(), set()
        self.specs = {}
        sys.path[:] = [os.path.dirname(self.script)] + request["path"] + BASE_PATH
        sys.path_importer_cache.clear()
        self.take({"name": "__main__", "package": "", "file": self.script, "folders": None})

    def shown(self, file):
        """A file's name, the same on every machine."""
        inside = is_in(file, self.root)
        name = os.path.relpath(file, self.root).replace(os.sep, "/") if inside else None
        # the key has entries of plain names besides
        return f"./{name}" if name is not None and not re.search(r"[./]", name) else name

    def spec(self, name):
        if name not in self.specs:
            parent, _, _ = name.rpartition(".")
            if parent == "":
                self.specs[name] = find(name, None)
            else:
                above = self.spec(parent)
                folders = None if above is None else folders_of(above)
                self.specs[name] = None if folders is None else find_in(parent, folders, name)
        return self.specs[name]

    def follow(self, name):
        """Takes in the module of that name, and the packages that it lies in."""
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            at = ".".join(parts[:depth])
            spec = self.spec(at)
            if spec is None:
                # a name that is taken from a module is mostly none; what is not there now may be there tomorrow
                if depth == 1:
                    self.absent.add(at)
                return
            if not self.take_spec(at, spec):
                return

    def take_spec(self, name, spec):
        """Whether what lies below may be of the user's."""
        folders, origin = folders_of(spec), spec.origin
        if origin in ("built-in", "frozen") or not (spec.has_location or folders):
            return False
        places = [os.path.abspath(origin)] if spec.has_location and origin else [os.path.abspath(each) for each in folders]
        if any(is_in(place, OURS) for place in places):
            return False
        if any(is_in(place, each) for place in places for each in SITES):
            top = name.split(".")[0]
            if self.distributions.of_top(top):
                self.tops.add(top)
                return False
        elif any(is_in(place, each) for place in places for each in STANDARD):
            return False
        package = name if folders is not None else name.rpartition(".")[0]
        self.take({"name": name, "package": package, "file": places[0] if spec.has_location else None, "folders": folders})
        return True

    def take(self, module):
        if module["name"] in self.modules:
            return
        self.modules[module["name"]] = module
        file = module["file"]
        if file is None:
            return
        while not os.path.isfile(file) and os.path.dirname(file) != file:
            file = os.path.dirname(file)  # of a module in an archive: the archive
        module["file"] = file
        with open(file, "rb") as stream:
            data = stream.read()
        self.files[file] = sha256(data)
        if not file.endswith((".py", ".pyw")) and module["name"] != "__main__":
            return
        try:
            tree = ast.parse(data, file)
        except (SyntaxError, ValueError) as error:
            raise Told(self.shown(file) or file, getattr(error, "lineno", None) or 1, f"it is no Python {platform.python_version()}: {error}")
        self.trees[module["name"]] = tree
        self.texts[module["name"]] = sha256(data)
        for name in Imports(Plain(True).visit(tree), module, self.shown(file) or file).found:
            self.follow(name)

    def resources(self):
        """Files in the packages of a program that reads files of its packages."""
        for module in self.modules.values():
            for folder in module["folders"] or []:
                for at, inner, names in os.walk(folder):
                    inner[:] = sorted(each for each in inner if each != "__pycache__" and not each.startswith("."))
                    for name in sorted(names):
                        file = os.path.join(at, name)
                        if not name.endswith((".py", ".pyc")) and os.path.isfile(file) and file not in self.files:
                            with open(file, "rb") as stream:
                                self.files[file] = sha256(stream.read())
                            yield file, self.files[file]

    def answer(self):
        trees = list(self.trees.values())
        keeps_docs = any(mentions(tree, {"__doc__", "getdoc", "doctest"}) for tree in trees)
        reads_sources = any(mentions(tree, {"inspect", "linecache", "tokenize"}) for tree in trees)
        modules = {}
        for name, module in self.modules.items():
            file = module["file"]
            if file is None:
                modules[f"{name} (a namespace)"] = {"folders": str(len(module["folders"] or []))}
                continue
            shown = self.shown(file) or f"module {name}"
            if name not in self.trees:
                modules[shown] = {"its bytes": self.files[file]}
                continue
            tree = self.trees[name]
            own_text = reads_sources or mentions(tree, {"__file__"})
            found = statements(Plain(keeps_docs).visit(tree))
            modules[shown] = {**found, **({"its own text": self.texts[name]} if own_text else {})}
        if any(reads_resources(tree) for tree in trees):
            for file, digest in self.resources():
                modules[self.shown(file) or f"file {os.path.basename(file)}"] = {"its bytes": digest}
        dists = [dist.metadata["Name"] for top in self.tops for dist in self.distributions.of_top(top)]
        packages = self.distributions.closure(dists)
        packages.update({name: "absent" for name in self.absent})
        return {"modules": modules, "packages": packages, "files": self.files}


def interpreter():
    implementation = platform.python_implementation()
    version = platform.python_version()
    return version if implementation == "CPython" else f"{implementation}-{version}"


def folders_to_see():
    """What the interpreter and the installed distributions need of the disk."""
    wanted = [sys.prefix, sys.base_prefix, sys.exec_prefix] + SITES + STANDARD
    return [each for each in dict.fromkeys(os.path.abspath(each) for each in wanted) if os.path.isdir(each)]


if __name__ == "__main__":
    sys.setrecursionlimit(20000)
    OURS = os.path.dirname(os.path.abspath(__file__))
    # the first entry is the folder of this file
    BASE_PATH = [OURS] + [each for each in sys.path[1:] if each and os.path.abspath(each) != OURS]
    asked = json.load(sys.stdin)
    installed = Distributions()
    answers = []
    for one in asked["stages"]:
        try:
            answers.append(Closure(one, asked["root"], installed).answer())
        except Told as told:
            answers.append({"told": told.about})
    result = {
        "version": interpreter(),
        "executable": sys.executable,
        "userBase": getattr(site, "USER_BASE", None),
        "folders": folders_to_see(),
        "stages": answers,
    }
    print(json.dumps(result))
