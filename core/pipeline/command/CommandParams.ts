/**
 * CommandParams: the parameters of a command, which are its own text and variables, and those that its author declares; and
 * the variables by which it sees them.
 */
import * as Schema from "effect/Schema"
import * as Names from "../Names.ts"
import * as Words from "./Words.ts"

/** What each command has: its text, or the words of a call without a shell, and its variables. */
export interface CommandParams {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

const env = Schema.Record(Schema.String, Schema.String)
/** One Schema for all commands of a kind: a graph may have thousands, and each would be compiled. */
const forShell = Schema.Struct({ command: Schema.String, env })
const withoutShell = Schema.Struct({ args: Schema.Array(Schema.String), env })
const ofScript = Schema.Struct({ env })
const own: ReadonlySet<string> = new Set(["command", "args", "env"])

/** How a command is written: for a shell, or as the words of a call. */
export type Written =
  | { readonly command: string; readonly args?: never }
  | { readonly args: ReadonlyArray<string>; readonly command?: never }

/** What a command declares that has a name. */
interface Declared {
  readonly name: string
  readonly params?: unknown
  readonly inputs: object
  readonly output: object
  readonly env: Readonly<Record<string, string>>
  readonly passEnv: ReadonlyArray<string>
  readonly secrets: ReadonlyArray<string>
}

type Struct = Schema.Struct<Schema.Struct.Fields>

/** The author's parameters by name; refuses a Schema that has no names. */
const fieldsOf = (name: string, params: unknown): Schema.Struct.Fields => {
  const fields = (params as { readonly fields?: Schema.Struct.Fields } | undefined)?.fields
  if (params === undefined || fields !== undefined) return fields ?? {}
  throw new Names.DeclarationError(`${name}: expected params to be a Schema.Struct, but found another Schema`)
}

const taken = (stage: string, name: string): string =>
  `${stage}: expected params to have names of their own, but found ${name}, which each command has already. Choose another name`

const checkVariables = (stage: string, variables: ReadonlyArray<string>, what: string): void => {
  const wrong = variables.find((each, index) => !Names.isVariable(each) || variables.indexOf(each) !== index)
  if (wrong === undefined) return
  throw new Names.DeclarationError(
    `${stage}: expected ${what} to be different names of shell variables, but found "${wrong}"`
  )
}

const checkNames = (declared: Declared, params: ReadonlyArray<string>): void => {
  const { name, inputs, output, env, passEnv, secrets } = declared
  const clash = params.find((each) => own.has(each) || Names.isOfCommand(each))
  if (clash !== undefined) throw new Names.DeclarationError(taken(name, clash))
  const variables = [...[inputs, output, env].flatMap(Object.keys), ...params, ...passEnv, ...secrets]
  checkVariables(name, variables, "inputs, outputs, params, env, passEnv and secrets")
}

const checkTexts = (name: string, texts: Readonly<Record<string, unknown>>): void => {
  const untyped = Object.entries(texts).find(([, value]) => typeof value !== "string")
  if (untyped === undefined) return
  throw new Names.DeclarationError(`${name}: expected ${untyped[0]} to be a text, but found ${String(untyped[1])}`)
}

const checkArgs = (declared: Declared, args: ReadonlyArray<string>, params: ReadonlyArray<string>): void => {
  const { name, inputs, output, env, passEnv, secrets } = declared
  if (!Array.isArray(args) || args.length === 0)
    throw new Names.DeclarationError(`${name}: expected args to be a program and its arguments, but found no words`)
  checkTexts(name, Object.fromEntries(args.map((each, at) => [`args[${at}]`, each])))
  const known = [...[inputs, output, env].flatMap(Object.keys), ...params, ...passEnv]
  const wrong = Words.namesIn(args).find((each) => !known.includes(each) && !Names.isOfCommand(each))
  if (wrong === undefined) return
  const problem = secrets.includes(wrong)
    ? `the secret ${wrong}, which all users of the machine would see in its list of processes. The program can read it from its environment`
    : `$${wrong}. Write $$ for a dollar sign`
  throw new Names.DeclarationError(
    `${name}: expected args to name inputs, outputs, params and variables (${known.join(", ") || "none"}), but found ${problem}`
  )
}

const checkWritten = (declared: Declared, { command, args }: Written, params: ReadonlyArray<string>): void => {
  const { name, env } = declared
  if ((command === undefined) === (args === undefined)) {
    const found = command === undefined ? "neither" : "both"
    throw new Names.DeclarationError(`${name}: expected a command for the shell, or args for none, but found ${found}`)
  }
  if (args === undefined) checkTexts(name, { command, ...env })
  else {
    checkTexts(name, env)
    checkArgs(declared, args, params)
  }
}

/** What a command's parameters are, from what it declares. */
interface Made {
  readonly params: Schema.Codec<unknown, unknown>
  readonly defaults: Partial<CommandParams>
  /** The names of the author's parameters, if there are any. */
  readonly own: ReadonlyArray<string> | undefined
}

/** The parameters of a command; refuses names that clash, and what is no text. */
export const make = (declared: Declared, written: Written): Made => {
  const fields = fieldsOf(declared.name, declared.params)
  const names = Object.keys(fields)
  checkNames(declared, names)
  checkWritten(declared, written, names)
  const { env } = declared
  return written.args === undefined
    ? made(declared.params, forShell as Struct, { command: written.command, env }, names)
    : made(declared.params, withoutShell as Struct, { args: written.args, env }, names)
}

/** The parameters of a script, which is given them in a file: a name of theirs is no variable. */
export const makeForScript = (declared: Declared): Made => {
  const { name, env, passEnv, secrets } = declared
  const names = Object.keys(fieldsOf(name, declared.params))
  if (names.includes("env")) throw new Names.DeclarationError(taken(name, "env"))
  checkVariables(name, [...Object.keys(env), ...passEnv, ...secrets], "env, passEnv and secrets")
  checkTexts(name, env)
  return made(declared.params, ofScript as Struct, { env }, names)
}

const made = (params: unknown, of: Struct, defaults: Made["defaults"], names: ReadonlyArray<string>): Made => {
  if (params === undefined) return { params: of as unknown as Made["params"], defaults, own: undefined }
  const all = (params as Struct).mapFields((theirs) => ({ ...theirs, ...of.fields }), { unsafePreserveChecks: true })
  return { params: all as unknown as Made["params"], defaults, own: names }
}

/** The author's parameters among all. */
export const ownOf = (
  names: ReadonlyArray<string>,
  params: Readonly<Record<string, unknown>>
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(names.flatMap((name) => (name in params ? [[name, params[name]]] : [])))

/** The variables by which a command sees its parameters: numbers, texts, true and false, and an empty one of null. */
export const variablesOf = (params: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(params).flatMap(([name, value]) =>
      typeof value === "object" && value !== null ? [] : [[name, value === null ? "" : String(value)] as const]
    )
  )
