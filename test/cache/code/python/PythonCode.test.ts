/** What counts of a Python script: each form of import, and what is left out. */
import { mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { beforeEach, describe, expect, it } from "vitest"
import * as PythonCode from "../../../../cache/code/python/PythonCode.ts"
import type { Code } from "../../../../cache/identity/CacheKey.ts"
import { temporaryFolder, writeFiles } from "../../../lib/temporary.ts"

const base = temporaryFolder()
let number = 0
let root = ""
beforeEach(() => {
  root = path.join(base, String(number++))
  mkdirSync(root)
})

/** The code of `main.py`, after files are written. */
const codeOf = async (
  files: Readonly<Record<string, string | Uint8Array>>,
  folders: ReadonlyArray<string> = []
): Promise<Code> => {
  writeFiles(root, files)
  const script = { script: path.join(root, "main.py"), path: folders.map((each) => path.join(root, each)) }
  const [found] = await Effect.runPromise(PythonCode.identify("python3", root, [script]))
  return found!.code
}
const modulesOf = async (...args: Parameters<typeof codeOf>) => Object.keys((await codeOf(...args)).modules)
const packagesOf = async (main: string) => {
  const { python, ...packages } = (await codeOf({ "main.py": main })).packages
  expect(python).toMatch(/^3\.\d+\.\d+/u)
  return packages
}

describe("the modules of a script", () => {
  it("are those that it imports, with the packages that they lie in", async () => {
    const files = {
      "main.py": "import a.b.c\nfrom d import e, f\nfrom d.g import *\n",
      "a/__init__.py": "",
      "a/b/__init__.py": "from .. import top\n",
      "a/b/c.py": "from . import near\nfrom ..other import x\n",
      "a/b/near.py": "",
      "a/top.py": "",
      "a/other.py": "x = 1\n",
      "a/unused.py": "",
      "d/__init__.py": "f = 1\n",
      "d/e.py": "",
      "d/g.py":
        "import importlib\nimportlib.import_module('late')\n__import__('later')\nimportlib.import_module('.e', __package__)\n",
      "late.py": "",
      "later.py": ""
    }
    expect((await modulesOf(files)).sort()).toEqual(
      ["main.py", "a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/b/near.py", "a/other.py", "a/top.py"]
        .concat(["d/__init__.py", "d/e.py", "d/g.py", "late.py", "later.py"])
        .sort()
    )
  })

  it("may lie in a namespace, beside the script, or in folders of the path", async () => {
    const files = { "main.py": "import space.inner.a\nimport more\nimport first\n", "space/inner/a.py": "" }
    const others = { "lib/more.py": "", "lib/first.py": "", "first.py": "" }
    expect(await modulesOf({ ...files, ...others }, ["lib"])).toEqual(
      expect.arrayContaining(["main.py", "space (a namespace)", "space/inner/a.py", "lib/more.py", "first.py"])
    )
    expect(await modulesOf({}, ["lib"])).not.toContain("lib/first.py")
  })

  it("may have the name of a standard one, and are not those of op-pipe", async () => {
    const main = "import random, json\nfrom op_pipe import ctx\nimport sys, os.path, _thread\n"
    expect(await modulesOf({ "main.py": main })).toEqual(["main.py"])
    expect(await modulesOf({ "random.py": "import os\n" })).toEqual(["main.py", "random.py"])
  })

  it("are not those that only checkers of types import, and are those of functions and branches", async () => {
    const main = `from typing import TYPE_CHECKING
import typing
if TYPE_CHECKING:
    import types_only
if typing.TYPE_CHECKING:
    import types_too
else:
    import really
def f():
    import inner
`
    const others = ["types_only", "types_too", "really", "inner"].map((name) => [`${name}.py`, ""] as const)
    expect(await modulesOf({ "main.py": main, ...Object.fromEntries(others) })).toEqual([
      "inner.py",
      "main.py",
      "really.py"
    ])
  })

  it("count by bytes where they have no source", async () => {
    const main = "import native\n"
    const { modules } = await codeOf({ "main.py": main, "native.so": "ELF", "native.abi3.so": "ELF" })
    expect(Object.keys(modules)).toHaveLength(2)
    expect(Object.values(modules)[1]).toHaveProperty("its bytes")
  })

  it("are read in the encoding that they name", async () => {
    const latin = Buffer.from("# -*- coding: latin-1 -*-\nword = 'caf\xe9'\n", "latin1")
    expect(Object.keys((await codeOf({ "main.py": latin })).modules["main.py"]!)).toContain("word")
  })
})

describe("a statement", () => {
  const digests = async (main: string) => (await codeOf({ "main.py": main })).modules["main.py"]!
  const first = "import os\nx = 1\ndef f(a):\n    return a\nclass C:\n    def g(self): pass\nprint(f(x))\n"

  it("counts under its name, without comments, docstrings and form", async () => {
    const before = await digests(first)
    expect(Object.keys(before)).toEqual(["C", "f", "imports", "statements", "the order of statements", "x"])
    const other = `#!/usr/bin/env python3
"""About."""
import os
x = (1)  # one


def f( a, ):
    "What it does."
    return a
class C:
    """A class."""
    def g(self):
        '''doc'''
        pass
print( f(x) )
`
    expect(await digests(other)).toEqual(before)
    const { f, ...rest } = await digests(first.replace("return a", "return a + 1"))
    expect(f).not.toBe(before["f"])
    expect(rest).toEqual({ ...before, f: undefined, ...rest })
    expect(rest["x"]).toBe(before["x"])
  })

  it.each([
    ["a docstring, where the program reads docstrings", (doc: string) => `"""${doc}"""\nprint(__doc__)\n`],
    ["its own text, where a module looks for its file", (doc: string) => `# ${doc}\nprint(open(__file__).read())\n`],
    ["all texts, where a program reads sources", (doc: string) => `# ${doc}\nimport inspect\n`]
  ])("counts %s", async (_what, main) => {
    expect(await digests(main("one"))).not.toEqual(await digests(main("two")))
  })

  it("counts in its order", async () => {
    expect(await digests("a = 1\nb = 2\n")).not.toEqual(await digests("b = 2\na = 1\n"))
  })
})

describe("packages", () => {
  it("that are imported and not there count as such", async () => {
    const main = "try:\n    import no_such_thing.inner\nexcept ImportError:\n    pass\n"
    expect(await packagesOf(main)).toEqual({ no_such_thing: "absent" })
  })

  it("that are installed count by version, with what they require", async () => {
    const found = await packagesOf("import pip._internal\n")
    expect(Object.keys(found)).toEqual(["pip"])
    expect(found["pip"]).toMatch(/^\d+/u)
  })
})

describe("files that a program reads out of its packages", () => {
  it("count by their bytes", async () => {
    const files = { "main.py": "from data import load\n", "data/__init__.py": "", "data/table.csv": "a\n" }
    const load = "from importlib import resources\nresources.files('data').joinpath('table.csv')\n"
    expect(await modulesOf({ ...files, "data/load.py": "" })).not.toContain("data/table.csv")
    const before = (await codeOf({ "data/load.py": load })).modules["data/table.csv"]
    expect(before).toHaveProperty("its bytes")
    expect((await codeOf({ "data/table.csv": "b\n" })).modules["data/table.csv"]).not.toEqual(before)
  })

  it.each([
    "from importlib.resources import files\nfiles('data').joinpath('table.csv')\n",
    "import importlib.resources as r\nr.files('data').joinpath('table.csv')\n",
    "import importlib.resources\nimportlib.resources.files('data').joinpath('table.csv')\n",
    "from pkgutil import get_data as g\ng('data', 'table.csv')\n"
  ])("count, by whatever name they are asked for: %j", async (load) => {
    const files = { "main.py": "from data import load\n", "data/__init__.py": "", "data/table.csv": "a\n" }
    expect(await modulesOf({ ...files, "data/load.py": load })).toContain("data/table.csv")
  })
})

describe("what cannot be known", () => {
  const reason = (main: string) => {
    writeFileSync(path.join(root, "main.py"), main)
    const script = { script: path.join(root, "main.py"), path: [] }
    return Effect.runPromise(Effect.flip(PythonCode.identify("python3", root, [script]))).then(({ message }) => message)
  }

  it.each([
    ["import importlib as il\nname = 'a'\nil.import_module(name)\n", "main.py:3"],
    ["from importlib import import_module\n\nimport_module(f'models.{1}')\n", "main.py:3"],
    ["__import__(input())\n", "main.py:1"]
  ])("is told with its place: %j", async (main, place) => {
    expect(await reason(main)).toContain(`could not identify the code of ${place}: expected `)
    expect(await reason(main)).toContain("Write out what it may mean")
  })

  it("is told where the program is none, or no Python", async () => {
    writeFileSync(path.join(root, "main.py"), "")
    const script = { script: path.join(root, "main.py"), path: [] }
    const of = (program: string) => Effect.runPromise(Effect.flip(PythonCode.identify(program, root, [script])))
    expect((await of("no-such-python")).message).toContain("found no such program. Install it, or name another one")
    expect((await of("cat")).message).toContain("expected cat to be Python 3.8 or later")
  })
})
