/**
 * StageExports: fails for a stage that its module does not export. The process of a step finds the stage among the exports,
 * so without one the step could only fail, after the steps before it have done their work.
 *
 * Looks at the text of `const name = Stage.make({ name: "...", ... })` at the top of a module. A stage made in another way
 * is not found by it; then the step's process has the last word.
 */
import { realpathSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { readRecord, writeHint } from "../../cache/store/Commit.ts"
import { Disk } from "../../cache/store/Disk.ts"
import { Store } from "../../cache/store/Store.ts"
import type { AnyStep } from "../pipeline/Step.ts"
import type { Prepared } from "./Prepared.ts"

/** A stage is not among the exports of its module. */
export class StageNotExported extends Data.TaggedError("StageNotExported")<{
  readonly stage: string
  readonly file: string
  readonly binding: string
}> {
  readonly fault = "input"

  override get message(): string {
    return `stage ${this.stage}: expected ${this.file} to export it, but found "const ${this.binding}" without an export. Put \`export\` before it`
  }
}

interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

const nodesOf = (value: unknown): ReadonlyArray<Node> => (Array.isArray(value) ? (value as ReadonlyArray<Node>) : [])

const textOf = (node: unknown): string | undefined => {
  const { name, value } = (node ?? {}) as { readonly name?: unknown; readonly value?: unknown }
  return typeof name === "string" ? name : typeof value === "string" ? value : undefined
}

/** The `name` of the stage that an initial value makes, if it is `Stage.make({ name: "...", source, ... })`. */
const stageIn = (init: Node | undefined): string | undefined => {
  if (init?.type !== "CallExpression" || textOf((init["callee"] as Node)["property"]) !== "make") return undefined
  const [first] = nodesOf(init["arguments"])
  const properties = first?.type === "ObjectExpression" ? nodesOf(first["properties"]) : []
  const valueOf = (key: string): Node | undefined =>
    properties.find((each) => textOf(each["key"]) === key)?.["value"] as Node | undefined
  const name = valueOf("name")
  return valueOf("source") === undefined || name?.type !== "Literal" ? undefined : textOf(name)
}

const declaredIn = (statement: Node): ReadonlyArray<Node> =>
  statement.type === "VariableDeclaration" ? nodesOf(statement["declarations"]) : []

/** Stage name -> the constant that holds it, of those that the module does not export. */
export const hiddenIn = (body: ReadonlyArray<Node>): Readonly<Record<string, string>> => {
  const exported = new Set(
    body
      .filter(({ type }) => type === "ExportNamedDeclaration" || type === "ExportDefaultDeclaration")
      .flatMap((each) => [
        ...nodesOf(each["specifiers"]).map((specifier) => textOf(specifier["local"])),
        textOf(each["declaration"])
      ])
  )
  const hidden = body.flatMap(declaredIn).flatMap((each) => {
    const [stage, binding] = [stageIn(each["init"] as Node | undefined), textOf(each["id"])]
    return stage === undefined || binding === undefined || exported.has(binding) ? [] : [[stage, binding] as const]
  })
  return Object.fromEntries(hidden)
}

type Known = Record<string, Readonly<Record<string, string>>>

const parse = Effect.fnUntraced(function* (file: string) {
  const disk = yield* Disk
  const text = yield* disk.readText(file)
  const { parseSync } = yield* Effect.promise(() => import("oxc-parser"))
  return hiddenIn(parseSync(file, text).program.body as unknown as ReadonlyArray<Node>)
})

/** Fails for the first of `steps` whose stage is not exported. What modules hide is remembered by their digests. */
export const check = Effect.fnUntraced(function* (steps: ReadonlyArray<AnyStep>, code: Prepared["code"]) {
  const sources = new Set(steps.flatMap(({ stage }) => (stage._tag === "Stage" ? [stage.source] : [])))
  if (sources.size === 0) return
  const { layout } = yield* Store
  const record = layout.memo("exports-v1.json")
  const body = yield* Effect.orElseSucceed(readRecord(record), Option.none<string>)
  const known: Known = Option.isNone(body) ? {} : (JSON.parse(body.value) as Known)
  const count = Object.keys(known).length
  for (const source of sources) {
    if (!code.has(source)) continue
    const file = realpathSync(fileURLToPath(source))
    const digest = code.get(source)?.files.get(file)
    if (digest === undefined) continue
    known[digest] ??= yield* parse(file)
    const hidden = known[digest]
    const step = steps.find(({ stage }) => stage._tag === "Stage" && stage.source === source && stage.name in hidden)
    if (step !== undefined) {
      const stage = step.stage.name
      return yield* new StageNotExported({ stage, file, binding: hidden[stage]! })
    }
  }
  if (Object.keys(known).length > count) yield* Effect.ignore(writeHint(layout, record, JSON.stringify(known)))
})
