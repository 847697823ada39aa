/**
 * Branches: the steps that stand in place of one that `Pipeline.each` placed, as soon as it is known for what.
 *
 * Until then such a step is *pending*, and so is what reads from it. Afterwards every branch is a step like any other, and a
 * step that takes many reads from each of them: everything else of the plan and of the run knows plain steps alone.
 */
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../../cache/store/ResultStore.ts"
import { Store } from "../../../cache/store/Store.ts"
import * as Tree from "../../../cache/store/Tree.ts"
import * as TreeParts from "../../../cache/store/tree/TreeParts.ts"
import type * as Artifact from "../../pipeline/Artifact.ts"
import * as Document from "../../pipeline/Document.ts"
import { entryProblem } from "../../pipeline/many/Each.ts"
import { matcher } from "../../pipeline/many/Match.ts"
import * as Order from "../../pipeline/many/Order.ts"
import {
  type AnyStep,
  branchId,
  branchOf,
  displayName,
  type Entries,
  type ManyPort,
  type NamedPort,
  type Port,
  withEach,
  withOutputs
} from "../../pipeline/Step.ts"
import type { Part, Prepared, PreparedSource } from "../Prepared.ts"
import * as Sources from "../Sources.ts"

type AnyPort = Port<Artifact.Any>

/** What it depends on for what a step stands. */
export interface Known {
  /** Of the steps before it, by id. */
  readonly results: ReadonlyMap<string, StepResult>
  /** The branches of those before it, by id. */
  readonly branches: ReadonlyMap<string, ReadonlyArray<AnyStep>>
}

/** The entries for which a step is to be placed are not as they must be. */
export class EntriesInvalid extends Data.TaggedError("EntriesInvalid")<{
  readonly of: string
  readonly expected: string
  readonly actual: string
}> {
  readonly fault = "input"

  override get message(): string {
    return `the entries of ${this.of}: expected ${this.expected}, but found ${this.actual}`
  }
}

/** What the entries of one port are, by name: each with its path in the folder, or its place in the list. */
type Found = ReadonlyArray<readonly [name: string, entry: string, part: Part]>

const kindOf = ({ kind }: Artifact.Any): "folder" | "file" => (kind === "folder" ? "folder" : "file")

/** The part of a source at `entry`, as a source of its own. */
const sourcePart = (
  whole: PreparedSource,
  entry: string,
  artifact: Artifact.Any,
  content: PreparedSource["content"]
) => {
  const { source } = whole
  const at = path.join(whole.path, ...entry.split("/"))
  const own = {
    ...source,
    name: branchId(source.name, entry),
    artifact: artifact as Artifact.Required,
    path: at,
    ignore: (below: string) => source.ignore(`${entry}/${below}`)
  }
  const prepared: PreparedSource = { ...whole, source: own, path: at, content }
  return { type: "source", source: prepared } satisfies Part
}

const filesOfSource = Effect.fnUntraced(function* (whole: PreparedSource, match: string, artifact: Artifact.Any) {
  const tree = yield* whole.content.tree
  const nameOf = matcher(match)
  const partAt = TreeParts.ofSource(whole.content, tree)
  return tree.flatMap((entry) => {
    const name = entry.kind === kindOf(artifact) ? nameOf(entry.path) : undefined
    const content = name === undefined ? undefined : partAt(entry.path, artifact.path)
    if (name === undefined || content === undefined) return []
    return [[name, entry.path, sourcePart(whole, entry.path, artifact, content)] as const]
  }) satisfies Found
})

/** What is true of an artifact as an output, whatever its content. */
const commonOf = (artifact: Artifact.Any): Omit<Output, "digest" | "entries"> => ({
  kind: artifact.kind === "json" || artifact.kind === "folder" ? artifact.kind : "file",
  tag: artifact.tag,
  path: artifact.path,
  layOut: false
})

const filesOfOutput = Effect.fnUntraced(function* (output: Output, of: string, match: string, artifact: Artifact.Any) {
  const nameOf = matcher(match)
  const parts = TreeParts.of(output.entries)
  const found: Array<Found[number]> = []
  for (const entry of output.entries) {
    if (!entry.path.startsWith(`${output.path}/`)) continue
    const at = entry.path.slice(output.path.length + 1)
    const name = nameOf(at)
    if (name === undefined) continue
    if (entry.kind === "link") {
      const expected = `${kindOf(artifact)}s of its own`
      return yield* new EntriesInvalid({ of, expected, actual: `${at}, a link. Copy what it leads to` })
    }
    if (entry.kind !== kindOf(artifact)) continue
    const moved = { ...entry, path: artifact.path }
    const entries = entry.kind === "file" ? [moved] : [moved, ...parts.below(entry.path, artifact.path)]
    // as if the step had made it as an output of its own
    const digest =
      entry.kind === "file" ? Tree.fileDigest(entry.digest, entry.mode) : Tree.digest(parts.below(entry.path, ""))
    found.push([name, at, { type: "output", output: { ...commonOf(artifact), digest, entries } }])
  }
  return found as Found
})

const List = Schema.fromJsonString(Schema.Array(Schema.Unknown))

/** The text of the list that a port gives, as it was when it was looked at. */
const listText = Effect.fnUntraced(function* (prepared: Prepared, port: AnyPort, results: Known["results"]) {
  const disk = yield* Disk
  const { blobs, memo } = yield* Store
  if (port.owner._tag === "Source") {
    const { path: at } = prepared.sources.get(port.owner.name)!
    // the same bytes as its snapshot has: its digest is looked up by what is read here
    const text = yield* disk.readText(at)
    const [entry] = yield* prepared.sources.get(port.owner.name)!.content.tree
    const isSame = entry?.kind === "file" && entry.digest === Digest.ofBytes(Buffer.from(text))
    if (isSame) return text
    memo.forget(at)
    return yield* new EntriesInvalid({
      of: Sources.portName(port),
      expected: "the list as it was when the run began",
      actual: "another. Run again"
    })
  }
  const [entry] = results.get(port.owner.id)?.outputs[port.output]?.entries ?? []
  const blob = entry?.kind === "file" ? yield* blobs.verified(entry.digest) : Option.none<string>()
  return Option.isSome(blob) ? yield* disk.readText(blob.value) : undefined
})

const itemsOf = Effect.fnUntraced(function* (
  prepared: Prepared,
  { artifact, from }: Entries<Artifact.Any>,
  nameOf: ((item: unknown) => string) | undefined,
  results: Known["results"]
) {
  const of = Sources.portName(from.of)
  const invalid = (expected: string, actual: string) => new EntriesInvalid({ of, expected, actual })
  const text = yield* listText(prepared, from.of, results)
  if (text === undefined) return undefined
  const list = yield* Effect.mapError(Schema.decodeEffect(List)(text), ({ message }) => invalid("a list", message))
  const { schema } = from.of.artifact as Artifact.JsonArtifact<string, unknown>
  const decoded = yield* Effect.mapError(Schema.decodeUnknownEffect(schema)(list), ({ message }) =>
    invalid("a list that its schema accepts", message)
  )
  return yield* Effect.forEach(list, (item, at) =>
    Effect.gen(function* () {
      const name = yield* Effect.try({
        try: () => (nameOf === undefined ? String(at) : String(nameOf((decoded as ReadonlyArray<unknown>)[at]))),
        catch: (cause) => invalid(`nameOf to name the item ${at}`, String(cause))
      })
      const text = `${JSON.stringify(item, null, 2)}\n`
      const bytes = Buffer.from(text)
      const blob = Digest.ofBytes(bytes)
      const handedOn = Digest.ofBytes(
        Document.handedOn(artifact as Artifact.JsonArtifact<string, unknown, boolean>, bytes)
      )
      const entry = { kind: "file", path: artifact.path, digest: blob, sizeBytes: bytes.length, mode: 0o644 } as const
      const output: Output = { ...commonOf(artifact), digest: handedOn, entries: [entry] }
      return [name, String(at), { type: "output", output, text }] as const
    })
  ) satisfies Effect.Effect<Found, EntriesInvalid>
})

/** Refuses names that are none of a folder's, and those that clash. */
const checkNames = Effect.fnUntraced(function* (of: string, names: ReadonlyArray<string>) {
  const seen = new Set<string>()
  for (const name of names) {
    const problem = entryProblem(name)
    const expected = "names that folders can have"
    if (problem !== undefined)
      return yield* new EntriesInvalid({ of, expected, actual: `${problem}: ${JSON.stringify(name)}` })
    if (seen.has(name))
      return yield* new EntriesInvalid({
        of,
        expected: "names that differ",
        actual: `two called ${JSON.stringify(name)}`
      })
    seen.add(name)
  }
  // one in the folder of another could not be laid out
  const around = names.find((name) =>
    name.split("/").some((_, at, parts) => at > 0 && seen.has(parts.slice(0, at).join("/")))
  )
  if (around !== undefined)
    return yield* new EntriesInvalid({
      of,
      expected: "names that are not in one another",
      actual: `${JSON.stringify(around)} and one that its path begins with`
    })
})

/** Entries of a folder or items of a list; undefined while their owner has no result. */
const partsOf = Effect.fnUntraced(function* (prepared: Prepared, entries: Entries<Artifact.Any>, { results }: Known) {
  const { artifact, from } = entries
  const of = Sources.portName(from.of)
  if (from.type === "items") return yield* itemsOf(prepared, entries, from.nameOf, results)
  if (from.of.owner._tag === "Source")
    return yield* filesOfSource(prepared.sources.get(from.of.owner.name)!, from.match, artifact)
  const output = results.get(from.of.owner.id)?.outputs[from.of.output]
  return output === undefined ? undefined : yield* filesOfOutput(output, of, from.match, artifact)
})

/** The port of each of many, in the order of their names; undefined while they are not known. */
const portsOf = Effect.fnUntraced(function* (
  prepared: Prepared,
  many: ManyPort<Artifact.Any> | Entries<Artifact.Any>,
  known: Known
) {
  const { from } = many
  if (from.type === "ports") return from.ports
  // with one seed there is no further one
  if (from.type === "seeds") return []
  if (from.type === "branches")
    return known.branches
      .get((from.of.owner as AnyStep).id)
      ?.map((step): NamedPort => [step.branch!.name, step.out[from.of.output]!])
  const found = yield* partsOf(prepared, many as Entries<Artifact.Any>, known)
  if (found === undefined) return undefined
  yield* checkNames(
    Sources.portName(from.of),
    found.map(([name]) => name)
  )
  return found
    .map(([name, entry, part]): NamedPort => {
      const port: AnyPort = { ...from.of, artifact: many.artifact, entry }
      prepared.parts.set(port, part)
      return [name, port]
    })
    .sort(([a], [b]) => Order.compare(a, b))
})

type Named = readonly [name: string, inputs: Readonly<Record<string, AnyPort>>]

/** Of several inputs, those of one name together. */
const zipped = Effect.fnUntraced(function* (
  step: AnyStep,
  over: ReadonlyArray<readonly [string, ReadonlyArray<NamedPort>]>
) {
  const byInput = over.map(([input, ports]) => [input, new Map(ports)] as const)
  const names = Array.from(new Set(over.flatMap(([, ports]) => ports.map(([name]) => name)))).sort(Order.compare)
  for (const [input, ports] of byInput) {
    const lacking = names.find((name) => !ports.has(name))
    if (lacking === undefined) continue
    const expected = `${input} to have the names of the others`
    return yield* new EntriesInvalid({
      of: displayName(step.id),
      expected,
      actual: `none called ${JSON.stringify(lacking)}`
    })
  }
  return names.map(
    (name): Named => [name, Object.fromEntries(byInput.map(([input, ports]) => [input, ports.get(name)!]))]
  )
})

/** Of several inputs, each of the one with each of the other. */
const multiplied = (over: ReadonlyArray<readonly [string, ReadonlyArray<NamedPort>]>): ReadonlyArray<Named> =>
  over.reduce<ReadonlyArray<Named>>(
    (before, [input, ports]) =>
      before.flatMap(([names, inputs]) =>
        ports.map(([name, port]): Named => [names === "" ? name : `${names},${name}`, { ...inputs, [input]: port }])
      ),
    [["", {}]]
  )

/** `step` with what it takes of many known; undefined while that is not. */
export const settled = Effect.fnUntraced(function* (prepared: Prepared, step: AnyStep, known: Known) {
  const waiting = Object.entries(step.many).filter(([, { from }]) => from.type !== "ports")
  if (waiting.length === 0) return step
  const many: Record<string, ManyPort<Artifact.Any>> = { ...step.many }
  for (const [input, port] of waiting) {
    const ports = yield* portsOf(prepared, port, known)
    if (ports === undefined) return undefined
    many[input] = { ...port, from: { type: "ports", ports } }
  }
  return withOutputs({ ...step, many, inputs: withEach(step.inputs, many) })
})

/** The branches of a step that `each` placed, in the order of their names; undefined while it is not known for what. */
export const of = Effect.fn("Branches.of")(function* (prepared: Prepared, step: AnyStep, known: Known) {
  const { each } = step
  const template = each === undefined ? undefined : yield* settled(prepared, step, known)
  if (each === undefined || template === undefined) return undefined
  const over: Array<readonly [string, ReadonlyArray<NamedPort>]> = []
  for (const [input, many] of Object.entries(each.over)) {
    const ports = yield* portsOf(prepared, many, known)
    if (ports === undefined) return undefined
    over.push([input, ports])
  }
  const wired = each.how === "product" ? multiplied(over) : yield* zipped(step, over)
  yield* checkNames(
    displayName(step.id),
    wired.map(([name]) => name)
  )
  return wired.map(([name, inputs]) => {
    const params = each.nameTo === undefined ? {} : { [each.nameTo]: name }
    return withOutputs({
      ...template,
      id: branchId(step.id, name),
      each: undefined,
      branch: { of: step.id, name, params },
      inputs: { ...template.inputs, ...inputs }
    })
  })
})

/** The branches of a step that are asked for by name, and the ids of steps that are to be executed. */
interface Asked {
  readonly names: ReadonlySet<string> | undefined
  readonly forced: ReadonlySet<string>
}

/** Of `all` branches of a step those that are asked for; all of them if none is named. Fails for a name that none has. */
export const named = Effect.fnUntraced(function* (
  step: AnyStep,
  { names, forced }: Asked,
  all: ReadonlyArray<AnyStep>
) {
  const forcedNames = Array.from(forced).flatMap((id) => {
    const branch = branchOf(id)
    return branch?.of === step.id ? [branch.name] : []
  })
  const there = new Set(all.map(({ branch }) => branch?.name))
  for (const name of [...(names ?? []), ...forcedNames]) {
    if (there.has(name)) continue
    const actual = `${JSON.stringify(name)}, which is none of ${all.length}`
    return yield* new EntriesInvalid({ of: displayName(step.id), expected: "the name of a branch", actual })
  }
  return names === undefined ? all : all.filter(({ branch }) => names.has(branch!.name))
})

/** Why a step has no branch, where a folder or a list has no entry for it. */
export const nothingOf = ({ each }: AnyStep): string | undefined => {
  for (const { from } of Object.values(each?.over ?? {})) {
    if (from.type === "files")
      return `no entry of ${Sources.portName(from.of)} matches ${from.match}, so there is nothing to do`
    if (from.type === "items") return `the list ${Sources.portName(from.of)} is empty, so there is nothing to do`
  }
}

/** For what a step waits that has no branches yet. */
export const waitsFor = ({ each }: AnyStep): string => {
  const names = Object.values(each?.over ?? {}).map(({ from }) =>
    from.type === "ports"
      ? ""
      : from.type === "branches"
        ? displayName((from.of.owner as AnyStep).id)
        : Sources.portName(from.of)
  )
  return `one step for each entry of ${names.filter((name) => name !== "").join(" and ")}`
}
