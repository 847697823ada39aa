/**
 * Plan: what a run would do, before it does anything.
 *
 * `prepare` settles everything that does not depend on results: parameters, code, toolchains, and what the sources hold.
 * `assess` then walks the steps upstream first and tells for each whether its result is there (*fresh*), is not (*stale*
 * or *never run*), or cannot be known before an upstream step has run (*pending*), with the reasons.
 */
import { homedir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CodeIdentity from "../../cache/code/CodeIdentity.ts"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import { bodies, readRecord, writeHint } from "../../cache/store/Commit.ts"
import { Disk, type DiskError, orAbsent } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import type { AnySource, AnyStep, Pipeline, Port } from "../pipeline/Pipeline.ts"
import { upstream } from "../pipeline/Pipeline.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import * as Outputs from "../run/Outputs.ts"
import * as Ingredients from "./Ingredients.ts"
import { type Settings, SettingsError, toolchainsOf } from "./Settings.ts"

export interface PreparedSource {
  readonly source: AnySource
  readonly path: string
  readonly content: Tree.SourceTree
  /** When the look at it ended, by `performance.now()`, and how long it took. */
  readonly seenMs: number
  readonly tookMs: number
}

export interface PreparedToolchain {
  readonly toolchain: Toolchain.Any
  readonly identity: unknown
  readonly encoded: unknown
  readonly cores: number
}

export interface Prepared {
  readonly pipeline: Pipeline
  readonly settings: Settings
  readonly sources: ReadonlyMap<string, PreparedSource>
  readonly toolchains: ReadonlyMap<string, PreparedToolchain>
  /** By the stage's source. */
  readonly code: ReadonlyMap<string, CodeIdentity.Identified>
  readonly cores: number
}

export interface PrepareOptions {
  readonly pipeline: Pipeline
  readonly settings: Settings
  /** Folders that the user named, by source. */
  readonly sourcePaths: Readonly<Record<string, string>>
  /** The pipeline's folder. */
  readonly root: string
  readonly dataDir: string
  /** Where steps are laid out, if they are. */
  readonly outputsDir?: string
  readonly cores: number
  readonly notify: (line: string) => void
}

const locate = Effect.fnUntraced(function* (source: AnySource, options: PrepareOptions) {
  const named = options.sourcePaths[source.name]
  const { layout } = yield* Store
  if (named !== undefined) return path.resolve(named)
  if (source.path !== undefined) return path.resolve(options.root, source.path)
  if (source.provide === undefined) {
    return yield* new SettingsError({
      asked: `source ${source.name}`,
      expected: `a ${kindOf(source)}, named by --data ${source.name}=PATH or, for the first source, --data PATH`,
      actual: "none"
    })
  }
  const { dataDir, notify } = options
  const encoded = options.settings.sources[source.name] ?? {}
  const params =
    source.params === undefined ? {} : yield* Effect.orDie(Schema.decodeUnknownEffect(source.params)(encoded))
  return yield* source.provide(params, { dataDir, cacheDir: layout.toolchain(`source-${source.name}`), notify })
})

const kindOf = ({ artifact }: AnySource): "folder" | "file" =>
  (artifact as Artifact.Any).kind === "folder" ? "folder" : "file"

const realPathOf = (location: string): Effect.Effect<Option.Option<string>, DiskError, Disk> =>
  Effect.flatMap(Disk, (disk) => orAbsent(disk.realPath(location.replace(/^~(?=\/|$)/, homedir()))))

/** Where `location` is or will be, without links. */
const futurePath: (location: string) => Effect.Effect<string, DiskError, Disk> = Effect.fnUntraced(
  function* (location) {
    const real = yield* realPathOf(location)
    if (Option.isSome(real)) return real.value
    return path.join(yield* futurePath(path.dirname(location)), path.basename(location))
  }
)

/** True of what lies in a folder that the source leaves out. */
const isLeftOut = (source: AnySource, below: string): boolean =>
  below.split("/").some((_part, index, parts) => source.ignore(parts.slice(0, index + 1).join("/")))

/** Refuses to write into a source: what a run wrote would be the data of the next one. */
const refuseInside = Effect.fnUntraced(function* (source: AnySource, location: string, options: PrepareOptions) {
  const disk = yield* Disk
  const { layout } = yield* Store
  if (kindOf(source) !== "folder") return
  const real = yield* realPathOf(location)
  if (Option.isNone(real)) return
  const written = { "--outputs": options.outputsDir, "--store": path.dirname(layout.root) }
  for (const [flag, folder] of Object.entries(written)) {
    const future = folder === undefined ? "" : yield* futurePath(folder)
    if (folder === undefined || !Tree.isIn(future, real.value)) continue
    if (!isLeftOut(source, path.relative(real.value, future).split(path.sep).join("/"))) {
      return yield* new SettingsError({
        asked: `${flag} ${folder}`,
        expected: `a folder outside of ${real.value}, the source ${source.name}`,
        actual: `one in it: what is written there would count as data. Choose another with ${flag}, or other data with --data`
      })
    }
    // Were it made during the run, the folder it lies in would seem to be written to.
    yield* disk.makeFolder(folder)
  }
})

/** Reads what a source holds now; one that is not there is bad input. */
export const snapshotSource = Effect.fnUntraced(function* (source: AnySource, location: string) {
  const disk = yield* Disk
  const { memo } = yield* Store
  const startedMs = performance.now()
  const real = yield* realPathOf(location)
  const stat = Option.isSome(real) ? yield* orAbsent(disk.lstat(real.value)) : Option.none()
  const wanted = kindOf(source)
  if (Option.isNone(real) || Option.isNone(stat) || stat.value.kind !== wanted) {
    const actual = Option.isNone(stat) ? "nothing there" : `a ${stat.value.kind}`
    const asked = `the ${wanted} ${location} for ${source.name}`
    return yield* new SettingsError({ asked, expected: `a ${wanted}`, actual })
  }
  const content =
    wanted === "folder"
      ? yield* Tree.source(real.value, memo, source.ignore)
      : // One file counts by its content; what it is called is not part of that.
        Tree.ofFile(source.artifact.path, yield* memo.digest(real.value, stat.value), stat.value)
  const seenMs = performance.now()
  const prepared: PreparedSource = { source, path: real.value, content, seenMs, tookMs: seenMs - startedMs }
  return prepared
})

const prepareToolchain = Effect.fnUntraced(function* (toolchain: Toolchain.Any, options: PrepareOptions) {
  const { layout } = yield* Store
  const encoded = options.settings.toolchains[toolchain.name]
  const params = yield* Effect.orDie(
    Schema.decodeUnknownEffect(toolchain.params as Schema.Codec<unknown, unknown>)(encoded)
  )
  const { cores, notify } = options
  const identity: unknown = yield* toolchain.identify(params, {
    cores,
    notify,
    cacheDir: layout.toolchain(toolchain.name)
  })
  const prepared: PreparedToolchain = {
    toolchain,
    identity,
    encoded: yield* Effect.orDie(Schema.encodeEffect(toolchain.identity as Schema.Codec<unknown, unknown>)(identity)),
    cores: toolchain.cores(identity)
  }
  return prepared
})

const sourceOf = ({ stage }: AnyStep): ReadonlyArray<string> => (stage._tag === "Stage" ? [stage.source] : [])

const named = <A>(entries: ReadonlyArray<readonly [string, A]>): ReadonlyMap<string, A> => new Map(entries)

export const prepare = Effect.fnUntraced(function* (options: PrepareOptions) {
  const { pipeline, settings, cores } = options
  const { layout, memo } = yield* Store
  const sources = yield* Effect.forEach(pipeline.sources, (source) =>
    Effect.gen(function* () {
      const location = yield* locate(source, options)
      yield* refuseInside(source, location, options)
      return [source.name, yield* snapshotSource(source, location)] as const
    })
  )
  const toolchains = yield* Effect.forEach(Object.values(toolchainsOf(pipeline)), (toolchain) =>
    Effect.map(prepareToolchain(toolchain, options), (prepared) => [toolchain.name, prepared] as const)
  )
  const identity = yield* CodeIdentity.make(layout, memo)
  const code = yield* Effect.forEach(new Set(pipeline.steps.flatMap(sourceOf)), (source) =>
    Effect.map(identity.of(source), (found) => [source, found] as const)
  )
  yield* identity.flush
  const prepared: Prepared = {
    pipeline,
    settings,
    sources: named(sources),
    toolchains: named(toolchains),
    code: named(code),
    cores
  }
  return prepared
})

/** Where an input's content comes from: `images`, `split.manifest`. */
export const portName = (port: Port<never> | AnyStep["inputs"][string]): string =>
  port.owner._tag === "Source" ? port.owner.name : `${port.owner.id}.${port.output}`

const describeInput = Effect.fnUntraced(function* (
  prepared: Prepared,
  port: AnyStep["inputs"][string],
  before: Digest.Digest
) {
  const disk = yield* Disk
  if (port.owner._tag !== "Source") return `input ${portName(port)} changed`
  const now = prepared.sources.get(port.owner.name)
  const listing = yield* listingOf(before)
  if (now === undefined || Option.isNone(listing)) return `input ${portName(port)} changed`
  const old = Schema.decodeUnknownOption(Schema.fromJsonString(Tree.Tree))(yield* disk.readText(listing.value))
  return Option.isNone(old)
    ? `input ${portName(port)} changed`
    : `input ${portName(port)}: ${Tree.describeChange(old.value, yield* now.content.tree)}`
})

/** The blob that lists the files of the source with this digest, if it is there. */
const listingOf = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const { blobs, layout } = yield* Store
  const record = Option.filter(yield* readRecord(layout.source(digest)), Digest.isDigest)
  return Option.isNone(record) ? Option.none<string>() : yield* blobs.verified(record.value)
})

const isListed = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const disk = yield* Disk
  const { blobs, layout } = yield* Store
  const bodyOf = yield* bodies
  const known = yield* disk.look(layout.source(digest), (looks) => {
    const text = looks.text(layout.source(digest))
    const blob = text === undefined ? undefined : bodyOf(text)
    return Digest.isDigest(blob) && blobs.isKnown(blob, looks)
  })
  return known || Option.isSome(yield* listingOf(digest))
})

/** Keeps the list of a source's files, to tell later what changed in it. */
export const rememberSource = Effect.fnUntraced(function* (prepared: PreparedSource) {
  const { blobs, layout } = yield* Store
  const { digest, tree } = prepared.content
  if (yield* isListed(digest)) return
  const listed = yield* tree
  // It may have changed since it was looked at.
  if (Tree.digest(listed) !== digest) return
  const blob = yield* blobs.put(JSON.stringify(listed))
  yield* writeHint(layout, layout.source(digest), blob)
})

/** Why a step with these ingredients has no result to use, compared with its last one. */
export const explain = Effect.fnUntraced(function* (
  prepared: Prepared,
  step: AnyStep,
  ingredients: CacheKey.Ingredients,
  unusable: Outputs.Unusable
) {
  const { results } = yield* Store
  if (unusable === "damaged") return ["its result is in the store, but a file of it is missing or damaged"]
  if (unusable === "outdated") return ["its result is in the store, but a document of it no longer fits its schema"]
  const last = yield* results.last(step.id)
  if (Option.isNone(last)) {
    return [(yield* results.hadResult(step.id)) ? "its last result is no longer in the store" : "it has no result yet"]
  }
  const before = last.value.ingredients
  const inputs = yield* Effect.forEach(
    Object.entries(step.inputs).filter(([name]) => before.inputs[name] !== ingredients.inputs[name]),
    ([name, port]) => {
      const digest = before.inputs[name]
      return digest === undefined ? Effect.succeed(`input ${name} is new`) : describeInput(prepared, port, digest)
    }
  )
  const gone = Object.keys(before.inputs)
    .filter((name) => !(name in ingredients.inputs))
    .map((name) => `input ${name} is gone`)
  const reasons = [...CacheKey.diff(before, ingredients), ...inputs, ...gone]
  return reasons.length === 0 ? ["its result is no longer in the store"] : reasons
})

export type State = "fresh" | "stale" | "pending" | "never run"

export interface Assessment {
  readonly step: AnyStep
  readonly state: State
  readonly reasons: ReadonlyArray<string>
  readonly key: Digest.Digest | undefined
  readonly result: StepResult | undefined
}

const assessStep = Effect.fnUntraced(function* (
  prepared: Prepared,
  step: AnyStep,
  known: ReadonlyMap<string, StepResult>,
  waiting: ReadonlySet<string>
) {
  const { results } = yield* Store
  const none = { step, key: undefined, result: undefined }
  const blockers = upstream(step).filter((each) => waiting.has(each.id))
  const keyed = blockers.length > 0 ? undefined : Ingredients.keyed(prepared, step, known)
  if (keyed === undefined) {
    const last = yield* results.last(step.id)
    const ran = yield* results.hadResult(step.id)
    const waits = `it waits for ${Array.from(new Set(blockers.map((each) => each.id))).join(", ")}`
    if (Option.isNone(last)) {
      return { ...none, state: ran ? "pending" : "never run", reasons: [waits] } satisfies Assessment
    }
    // what it reads is not known yet; what else changed is
    const before = last.value.ingredients
    const now = Ingredients.full(prepared, step, { ...Ingredients.own(prepared, step), inputs: before.inputs })
    const own = CacheKey.diff(before, now)
    return { ...none, state: "pending", reasons: [...own, waits] } satisfies Assessment
  }
  const key = yield* CacheKey.of(step.id, keyed)
  const result = yield* Outputs.usable(step, key)
  if (typeof result !== "string") return { step, state: "fresh", reasons: [], key, result } satisfies Assessment
  const reasons = yield* explain(prepared, step, Ingredients.full(prepared, step, keyed), result)
  const ran = yield* results.hadResult(step.id)
  return { ...none, state: ran ? "stale" : "never run", reasons, key } satisfies Assessment
})

/** The state of each of `steps` (upstream first) as things stand. */
export const assess = Effect.fnUntraced(function* (
  prepared: Prepared,
  steps: ReadonlyArray<AnyStep>,
  forced: ReadonlySet<string>
) {
  const known = new Map<string, StepResult>()
  const waiting = new Set<string>()
  const assessments: Array<Assessment> = []
  for (const step of steps) {
    const found: Assessment = yield* assessStep(prepared, step, known, waiting)
    const assessment: Assessment =
      forced.has(step.id) && found.state === "fresh" ? { ...found, state: "stale", reasons: ["forced"] } : found
    if (assessment.state === "fresh" && assessment.result !== undefined) known.set(step.id, assessment.result)
    else waiting.add(step.id)
    assessments.push(assessment)
  }
  return assessments
})
