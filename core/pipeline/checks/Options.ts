/**
 * Options: what is declared is of the kinds that TypeScript asks for, also where nobody had it check: a pipeline is loaded without its
 * types, and what is of another kind would end much later as somebody else's fault.
 */
import { inspect } from "node:util"
import * as Schema from "effect/Schema"
import { DeclarationError } from "../Names.ts"

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const artifactKinds: ReadonlySet<unknown> = new Set(["json", "text", "bytes", "file", "folder"])
const isArtifact = (value: unknown): boolean => isRecord(value) && artifactKinds.has(value["kind"])
const isTagged =
  (...tags: ReadonlyArray<string>) =>
  (value: unknown): boolean =>
    isRecord(value) && tags.includes(value["_tag"] as string)
const isInput = (value: unknown): boolean =>
  isArtifact(value) || (isRecord(value) && value["kind"] === "many" && isArtifact(value["of"]))
const isRecordOf =
  (isOne: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    isRecord(value) && Object.values(value).every(isOne)

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((each) => typeof each === "string")

/** Kinds of values, by the words for them. */
const kinds = {
  "a text": (value) => typeof value === "string",
  "a text that is not empty": (value) => typeof value === "string" && value !== "",
  "true or false": (value) => typeof value === "boolean",
  "a function": (value) => typeof value === "function",
  'a function of a path, such as (path) => path.endsWith(".md")': (value) => typeof value === "function",
  '"follow" or "keep"': (value) => value === "follow" || value === "keep",
  "a whole number": Number.isSafeInteger,
  'a shell: "bash", "sh", or the words of another': (value) =>
    value === "bash" || value === "sh" || (isTexts(value) && value.length > 0),
  "a list of artifacts": (value) => Array.isArray(value) && value.every(isArtifact),
  "a list of texts": isTexts,
  "a record": isRecord,
  "a Schema": Schema.isSchema,
  "an artifact, such as Artifact.text({ ... })": isArtifact,
  "a record of artifacts": isRecordOf(isArtifact),
  "a record of artifacts to read": isRecordOf(isInput),
  "a stage, made by Stage.make, Stage.command or Stage.python": isTagged("Stage", "Command"),
  "a list of steps, made by Pipeline.step": (value) => Array.isArray(value) && value.every(isTagged("Step")),
  "a port of a step, such as step.out.name": (value) => isRecord(value) && isTagged("Step", "Source")(value["owner"])
} as const satisfies Readonly<Record<string, (value: unknown) => boolean>>
type Kind = keyof typeof kinds

/** A value in a few words. */
export const inWords = (value: unknown): string => {
  if (value === undefined) return "nothing"
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY })
  return text.length > 60 ? `${text.slice(0, 60)}...` : text
}

/** What an option must be, and whether it may be left out. */
interface Rule {
  readonly name: string
  readonly kind: Kind
  readonly isOpen: boolean
}

/** Options of the kinds in `asked`, and in `open` those that may be left out. */
const rules = (asked: Readonly<Record<string, Kind>>, open: Readonly<Record<string, Kind>> = {}): ReadonlyArray<Rule> =>
  [asked, open].flatMap((kinds, at) => Object.entries(kinds).map(([name, kind]) => ({ name, kind, isOpen: at === 1 })))

const titleOf = (what: string, name: unknown): string => (typeof name === "string" ? `${what} ${name}` : what)

/** Refuses options that break a rule; a pipeline may declare thousands. The name is `called`, or among the options. */
const check = (what: string, options: unknown, asked: ReadonlyArray<Rule>, called?: unknown): void => {
  if (!isRecord(options))
    throw new DeclarationError(`${titleOf(what, called)}: expected a record of options, but found ${inWords(options)}`)
  for (const { name, kind, isOpen } of asked) {
    const value = options[name]
    if ((value === undefined && isOpen) || kinds[kind](value)) continue
    throw new DeclarationError(
      `${titleOf(what, called ?? options["name"])}: expected ${name} to be ${kind}, but found ${inWords(value)}`
    )
  }
}

const ofEachStage = {
  name: "a text",
  inputs: "a record of artifacts to read",
  output: "a record of artifacts"
} as const

const artifactRules = rules(
  { tag: "a text that is not empty", path: "a text that is not empty" },
  { materialize: "true or false" }
)
export const ofArtifact = (options: { readonly tag: string }): void =>
  check("artifact", options, artifactRules, options?.tag)

const documentRules = rules({ schema: "a Schema" }, { volatile: "a list of texts" })
export const ofDocument = (options: { readonly tag: string }): void =>
  check("artifact", options, documentRules, options?.tag)

const sourceRules = rules(
  { name: "a text", artifact: "an artifact, such as Artifact.text({ ... })" },
  {
    path: "a text that is not empty",
    ignore: 'a function of a path, such as (path) => path.endsWith(".md")',
    links: '"follow" or "keep"',
    params: "a Schema",
    provide: "a function"
  }
)
export const ofSource = (options: object): void => check("source", options, sourceRules)

const stageRules = rules(
  { ...ofEachStage, source: "a text that is not empty", params: "a Schema", run: "a function" },
  { toolchain: "a record" }
)
export const ofStage = (options: object): void => check("stage", options, stageRules)

const programRules = rules(ofEachStage, {
  params: "a Schema",
  env: "a record",
  network: "true or false",
  programs: "a list of texts",
  shell: 'a shell: "bash", "sh", or the words of another'
})
/** Of a stage that is a command or a script. */
export const ofProgram = (options: object): void => check("stage", options, programRules)

const placedRules = rules({ stage: "a stage, made by Stage.make, Stage.command or Stage.python" })
const stepRules = rules({}, { inputs: "a record", params: "a record", variant: "a text" })
export const ofStep = (stage: { readonly name: string }, options: object): void => {
  check("step", { stage }, placedRules, stage?.name)
  check("step", options, stepRules, stage.name)
}

const pipelineRules = rules(
  { name: "a text", steps: "a list of steps, made by Pipeline.step" },
  {
    seed: "a whole number",
    profiles: "a record",
    defaultProfile: "a text",
    store: "a text that is not empty",
    outputs: "a text that is not empty",
    report: "a port of a step, such as step.out.name",
    metrics: "a list of artifacts",
    plots: "a list of artifacts",
    commands: "a function",
    checks: "a function",
    flags: "a record"
  }
)
export const ofPipeline = (options: object): void => check("pipeline", options, pipelineRules)
