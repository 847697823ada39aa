/**
 * Entries: what is in a folder or in a list of which each is to have a step of its own.
 *
 * A part of a source or of an output counts as if it were one: a branch looks at its own file, and not at the folder around it.
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
import { branchId, type Entries, type Port } from "../../pipeline/Step.ts"
import type { Part, Prepared, PreparedSource } from "../Prepared.ts"
import * as Sources from "../Sources.ts"

type AnyPort = Port<Artifact.Any>

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

type Results = ReadonlyMap<string, StepResult>

/** What the entries of one port are, by name: each with its path in the folder, or its place in the list. */
export type Found = ReadonlyArray<readonly [name: string, entry: string, part: Part]>

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
  const link = tree.find((entry) => entry.kind === "link" && nameOf(entry.path) !== undefined)
  if (link !== undefined) {
    const actual = `${link.path}, a link that leads nowhere or counts as itself. Have it lead to one, remove it, or have the source ignore it`
    return yield* new EntriesInvalid({ of: whole.source.name, expected: `${kindOf(artifact)}s`, actual })
  }
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
const listText = Effect.fnUntraced(function* (prepared: Prepared, port: AnyPort, results: Results) {
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
  results: Results
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
export const checkNames = Effect.fnUntraced(function* (of: string, names: ReadonlyArray<string>) {
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
export const of = Effect.fnUntraced(function* (prepared: Prepared, entries: Entries<Artifact.Any>, results: Results) {
  const { artifact, from } = entries
  const of = Sources.portName(from.of)
  if (from.type === "items") return yield* itemsOf(prepared, entries, from.nameOf, results)
  if (from.of.owner._tag === "Source")
    return yield* filesOfSource(prepared.sources.get(from.of.owner.name)!, from.match, artifact)
  const output = results.get(from.of.owner.id)?.outputs[from.of.output]
  return output === undefined ? undefined : yield* filesOfOutput(output, of, from.match, artifact)
})
