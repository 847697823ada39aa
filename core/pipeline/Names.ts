/** Names: what a stage, a variant, a source or a variable may be called. */

/** A stage, a source or a pipeline is declared in a way that cannot work. Thrown while `pipeline.ts` is loaded. */
export class DeclarationError extends TypeError {
  override readonly name = "DeclarationError"
  readonly fault = "input"
}

/** Most file systems take 255 bytes; op-pipe puts a run's id before a step's. */
const longestName = 200

/** Most names. A pipeline may have thousands, and each is checked whenever it is loaded. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/u

/** What is wrong with a name of a folder; undefined if nothing is. */
const folderProblem = (name: string): string | undefined => {
  if (name === "") return "an empty one"
  if (name.startsWith(".")) return `${JSON.stringify(name)}, which begins with a dot`
  if (/[\\/]/u.test(name)) return `${JSON.stringify(name)}, which has a slash`
  if (/\p{Cc}|\p{Cs}/u.test(name)) return `${JSON.stringify(name)}, which has a control character`
  const { length } = new TextEncoder().encode(name)
  return length > longestName ? `one of ${length} bytes` : undefined
}

const expected = `expected a name that a folder can have: without slashes or control characters, not beginning with a dot, at most ${longestName} bytes`

/** Refuses a name that is no folder's, or has one of `reserved`, which the command line reads otherwise. */
export const checkName = (what: string, name: string, reserved = ""): void => {
  if (plainName.test(name)) return
  const problem = folderProblem(name)
  if (problem !== undefined) throw new DeclarationError(`${what}: ${expected}; but found ${problem}`)
  const found = Array.from(reserved).find((character) => name.includes(character))
  if (found === undefined) return
  const others = Array.from(reserved).join(" ")
  throw new DeclarationError(
    `${what}: expected a name without ${others}, which mean something on the command line; but found ${JSON.stringify(name)}`
  )
}

/** Whether a shell has variables of this name; the one that no record of JavaScript's can hold is none. */
export const isVariable = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name !== "__proto__"

/** Variables that each step gets from op-pipe, the same on every machine or in no key. */
const ours = new Set(["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "NODE_OPTIONS", "NODE_COMPILE_CACHE"])

/** Variables that a command gets besides, and those that shells set or read themselves. */
const ofCommands = new Set([
  ...["OP_PIPE_PARAMS", "PYTHONPYCACHEPREFIX", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"],
  ...["_", "ENV", "EUID", "GROUPS", "HOSTNAME", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PPID", "PS4", "PWD"],
  ...["RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "UID"]
])

/** Whether each command has a variable of this name that its author did not declare. */
export const isOfCommand = (name: string): boolean => ours.has(name) || ofCommands.has(name) || name.startsWith("BASH")

/** The variables of the user's that a stage has passed on. */
interface Passed {
  readonly passEnv: ReadonlyArray<string>
  readonly secrets: ReadonlyArray<string>
}

const none: ReadonlyArray<string> = []

/** The variables that a stage declares; refuses what is no list of names, and those that op-pipe sets. */
export const passed = ({
  name,
  passEnv = none,
  secrets = none
}: { readonly name: string } & Partial<Passed>): Passed => {
  if (passEnv === none && secrets === none) return { passEnv, secrets }
  for (const [option, names] of Object.entries({ passEnv, secrets } as Readonly<Record<string, unknown>>)) {
    if (!Array.isArray(names))
      throw new DeclarationError(`stage ${name}: expected ${option} to be a list of names, but found ${typeof names}`)
    const wrong = names.find((each) => typeof each !== "string" || !isVariable(each))
    if (wrong !== undefined)
      throw new DeclarationError(
        `stage ${name}: expected ${option} to hold names of variables, but found ${JSON.stringify(wrong)}`
      )
    const own = names.find((each: string) => ours.has(each))
    if (own !== undefined)
      throw new DeclarationError(
        `stage ${name}: expected ${option} to hold variables of yours, but found ${own}, which op-pipe sets itself`
      )
  }
  const both = passEnv.find((each) => secrets.includes(each))
  if (both !== undefined)
    throw new DeclarationError(`stage ${name}: expected ${both} in passEnv or in secrets, but found it in both`)
  return { passEnv, secrets }
}
