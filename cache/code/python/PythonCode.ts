/**
 * PythonCode: the identity of Python scripts, as the interpreter that runs them tells it.
 *
 * `core/python/identify.py` finds modules as that interpreter would, and parses them; it runs nothing of the user's. Local
 * modules count by their syntax, statement by statement, and installed distributions by name and version, as do the
 * interpreter and a distribution that is imported and not there.
 *
 * Gotcha: what extends the interpreter when it starts (`sitecustomize`, `.pth` files) is part of the installation, and does not
 * count.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Code } from "../../identity/CacheKey.ts"
import * as CanonicalJson from "../../identity/CanonicalJson.ts"
import type * as Digest from "../../identity/Digest.ts"
import { childProcess } from "../../store/disk/Late.ts"
import { CodeFingerprint, CodeUnknown, type Parts } from "../CodeFingerprint.ts"
import * as Framework from "../Framework.ts"

/** Where op-pipe's own Python lies: the helper, and the module that scripts import. */
export const ourFolder = path.join(Framework.root, "core", "python")

/** The interpreter of a script, and what it needs of the disk. */
export interface Interpreter {
  readonly executable: string
  readonly folders: ReadonlyArray<string>
  /** Where the user's own distributions are. */
  readonly userBase: string | null
}

/** The identity of a script's code. */
export class PythonFingerprint extends CodeFingerprint {
  readonly interpreter: Interpreter

  constructor(parts: Parts, interpreter: Interpreter) {
    super(parts)
    this.interpreter = interpreter
  }
}

/** A script to be identified: absolute paths. */
export interface Script {
  readonly script: string
  /** Folders that Python looks for modules in, besides the script's own. */
  readonly path: ReadonlyArray<string>
}

type Told = { readonly told: { readonly file: string; readonly line: number; readonly text: string } }
type Known = Code & { readonly files: Readonly<Record<string, Digest.Digest>> }
type Answer =
  | { readonly old: string }
  | (Interpreter & { readonly version: string; readonly stages: ReadonlyArray<Told | Known> })

const howToGet = `Install it, or name another one: python: ".venv/bin/python"`

/** The variables of an interpreter that is asked: what changes Python's search for modules does not reach a step either. */
const environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PYTHON"))),
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONUTF8: "1"
})

/** What the interpreter answers, or what stands in the way, in words. */
const ask = (interpreter: string, root: string, stages: ReadonlyArray<Script>): Effect.Effect<Answer, string> =>
  Effect.callback<Answer, string>((resume) => {
    const options = { cwd: root, env: environment(), maxBuffer: 2 ** 28 }
    const helper = path.join(ourFolder, "identify.py")
    const child = childProcess().execFile(interpreter, [helper], options, (error, stdout, stderr) => {
      if ((error as NodeJS.ErrnoException | null)?.code === "ENOENT")
        return resume(
          Effect.fail(`expected Python 3.8 or later as ${interpreter}, but found no such program. ${howToGet}`)
        )
      try {
        resume(Effect.succeed(JSON.parse(stdout) as Answer))
      } catch {
        const said = stderr.trim().split("\n").slice(-3).join(" ")
        resume(
          Effect.fail(
            `expected ${interpreter} to be Python 3.8 or later, but it said: ${said || String(error)}. ${howToGet}`
          )
        )
      }
    })
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(JSON.stringify({ root, stages }))
  })

const fingerprintOf = (found: Known, version: string, interpreter: Interpreter): PythonFingerprint => {
  const { modules, packages, files } = found
  // text and numbers alone: it has a canonical form
  const text = Result.getOrThrow(CanonicalJson.encode({ modules, packages: { ...packages, python: version } }))
  const all = new Map(Object.entries(files))
  return new PythonFingerprint({ text, files: all, loaded: Object.keys(files), packages: [] }, interpreter)
}

/** The identities of scripts, in their order. `interpreter` is a program on PATH, or a path. */
export const identify = Effect.fn("PythonCode.identify")(function* (
  interpreter: string,
  root: string,
  scripts: ReadonlyArray<Script>
) {
  const fail = (file: string, reason: string) => Effect.fail(new CodeUnknown({ file, reason }))
  const first = path.relative(root, scripts[0]?.script ?? root)
  const answer = yield* ask(interpreter, root, scripts).pipe(Effect.catch((reason) => fail(first, reason)))
  if ("old" in answer) {
    return yield* fail(first, `expected Python 3.8 or later as ${interpreter}, but found ${answer.old}. ${howToGet}`)
  }
  const { executable, folders, userBase, version } = answer
  return yield* Effect.forEach(answer.stages, (found) =>
    "told" in found
      ? fail(`${found.told.file}:${found.told.line}`, found.told.text)
      : Effect.succeed(fingerprintOf(found, version, { executable, folders, userBase }))
  )
})
