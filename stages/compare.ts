/**
 * compare: scores of both networks under every output activation, statistics, verdicts, charts, and the report.
 *
 * It reads logits, not networks: another activation reruns this stage alone.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import { Artifact, Stage } from "../core/index.ts"
import { IndexArtifact, Shards } from "../schemas/Augment.ts"
import {
  CompareParams,
  Figures,
  MarkdownReport,
  type Metrics,
  MetricsArtifact,
  ReportArtifact,
  Tables
} from "../schemas/Compare.ts"
import { GradstatsArtifact } from "../schemas/Gradstats.ts"
import { LogitsArtifact, PenultimateArtifact, SeedLogitsArtifact } from "../schemas/Logits.ts"
import type { VariantName } from "../schemas/Names.ts"
import { ManifestArtifact } from "../schemas/Split.ts"
import { HistoryArtifact, NetworkArtifact, Weights } from "../schemas/Train.ts"
import { toFailure } from "./lib/Failure.ts"
import type * as Pack from "./lib/images/Pack.ts"
import type { ReportData } from "./lib/report/Data.ts"
import { utf8 } from "./lib/Utf8.ts"

const load = Effect.promise(() => import("./lib/report/Work.ts"))
const loadNetwork = Effect.promise(async () => ({
  GradCam: await import("./lib/network/GradCam.ts"),
  Safetensors: await import("./lib/tables/Safetensors.ts")
}))

const inputs = {
  manifest: ManifestArtifact,
  index: IndexArtifact,
  shards: Shards,
  bn: HistoryArtifact,
  nobn: HistoryArtifact,
  bnReplicas: Artifact.many(HistoryArtifact),
  nobnReplicas: Artifact.many(HistoryArtifact),
  bnNetwork: NetworkArtifact,
  nobnNetwork: NetworkArtifact,
  bnWeights: Weights,
  nobnWeights: Weights,
  gradstats: GradstatsArtifact,
  logits: LogitsArtifact,
  seedLogits: SeedLogitsArtifact,
  penultimate: PenultimateArtifact
} as const
const output = {
  metrics: MetricsArtifact,
  report: ReportArtifact,
  markdown: MarkdownReport,
  figures: Figures,
  tables: Tables
} as const
type CompareContext = Stage.Context<CompareParams, typeof inputs, typeof output, Readonly<Record<never, never>>>

const readTable = Effect.fnUntraced(function* <A>(
  what: string,
  file: CompareContext["inputs"]["logits" | "seedLogits" | "penultimate"],
  decode: (bytes: Uint8Array) => Option.Option<A>
) {
  const bytes = yield* file.bytes
  const table = yield* Effect.try({ try: () => decode(bytes), catch: () => undefined }).pipe(
    Effect.catch(() => Effect.succeed(Option.none<A>()))
  )
  if (Option.isSome(table)) return table.value
  return yield* new Stage.StageFailure({
    reason: `The table of ${what} cannot be read`,
    expected: "an Arrow file that the step logits wrote",
    actual: "bytes of another format"
  })
})

/** All documents and tables that are compared. */
const readInputs = Effect.fnUntraced(function* (from: CompareContext["inputs"]) {
  const { filtersOf, LogitsTable, PenultimateTable, SeedLogitsTable } = yield* load
  const weights = { bn: yield* from.bnWeights.bytes, nobn: yield* from.nobnWeights.bytes }
  const replicasOf = (replicas: CompareContext["inputs"]["bnReplicas"]) => Effect.forEach(replicas, ({ read }) => read)
  return {
    manifest: yield* from.manifest.read,
    index: yield* from.index.read,
    table: yield* readTable("logits", from.logits, LogitsTable.decode),
    seedLogits: yield* readTable("logits of the further seeds", from.seedLogits, SeedLogitsTable.decode),
    hidden: yield* readTable("hidden values", from.penultimate, PenultimateTable.decode),
    histories: { bn: yield* from.bn.read, nobn: yield* from.nobn.read },
    replicas: { bn: yield* replicasOf(from.bnReplicas), nobn: yield* replicasOf(from.nobnReplicas) },
    networks: { bn: yield* from.bnNetwork.read, nobn: yield* from.nobnNetwork.read },
    weights,
    filters: { bn: filtersOf(weights.bn), nobn: filtersOf(weights.nobn) },
    gradients: yield* from.gradstats.read
  }
})
type Study = Effect.Success<ReturnType<typeof readInputs>>

/** Label conflicts beyond these are in the manifest only. */
const mostConflicts = 40

const firstOfEach = <A>(all: ReadonlyArray<A>, of: (one: A) => number): ReadonlyArray<A> => {
  const seen = new Set<number>()
  return all.filter((one) => !seen.has(of(one)) && seen.add(of(one)))
}

/** Of more mistakes the most confident ones are shown: some 3 kB each, in a report of at most 5 MB. */
const mostMistakes = 600
/** Largest side of their images. */
const mistakeSize = 80

/** Mistakes of which the report shows what the networks looked at: of so many classes one. */
const mostLookedAt = 12
/** Multiplications that all looks may take together: a few seconds. */
const mostMultiplications = 4e9

/** Draws what speaks for a class into the image at a path, as long as there is time. */
const makeLook = Effect.fnUntraced(function* (pack: Pack.Pack, { index, networks, weights }: Study) {
  const { levelsOf, shownSize, spotlightUri } = yield* load
  const { GradCam, Safetensors } = yield* loadNetwork
  const cams = {
    bn: GradCam.make(networks.bn, Result.getOrThrow(Safetensors.decode(weights.bn))),
    nobn: GradCam.make(networks.nobn, Result.getOrThrow(Safetensors.decode(weights.nobn)))
  }
  let left = mostMultiplications
  return Effect.fnUntraced(function* (variant: VariantName, path: string, label: number) {
    const cam = cams[variant]
    if (label < 0 || Option.isNone(cam) || left < cam.value.multiplications) return undefined
    const levels = yield* levelsOf(pack, index, path)
    if (levels === undefined) return undefined
    left -= cam.value.multiplications
    const evidence = cam.value.look(levels).evidence(label)
    return yield* Effect.promise(() => spotlightUri(levels, evidence, index.size, shownSize))
  })
})

/** All images that the report shows. */
const gatherImages = Effect.fnUntraced(function* (shards: string, study: Study, metrics: Metrics) {
  const { index, manifest, table } = study
  const { Pack, mistakesOf, sheetOf, show } = yield* load
  const pack = yield* Pack.open(shards, index)
  const look = yield* makeLook(pack, study)
  const shownExamples = yield* show(
    pack,
    index,
    metrics.examples.map(({ path }) => path)
  )
  const examples = yield* Effect.forEach(shownExamples, (image, i) => {
    const answer = metrics.examples[i]!.softmax[0]?.class ?? ""
    return Effect.map(look("bn", image.path, metrics.classes.indexOf(answer)), (evidence) => ({ ...image, evidence }))
  })
  const found = mistakesOf(table, metrics.activation)
  const worst = found.slice(0, mostMistakes)
  const shown = yield* show(
    pack,
    index,
    worst.map(({ path }) => path),
    mistakeSize
  )
  const mistakes = worst.map((mistake, i) => ({ ...mistake, uri: shown[i]!.uri }))
  const lookedAt = yield* Effect.forEach(
    firstOfEach(mistakes, ({ label }) => label).slice(0, mostLookedAt),
    Effect.fnUntraced(function* (mistake) {
      const bn = yield* look("bn", mistake.path, mistake.bn.predicted)
      const nobn = yield* look("nobn", mistake.path, mistake.nobn.predicted)
      const [image] = yield* show(pack, index, [mistake.path])
      return { ...mistake, uri: image!.uri, evidence: { bn, nobn } }
    })
  )
  const conflicts = yield* Effect.forEach(
    manifest.conflicts.slice(0, mostConflicts),
    Effect.fnUntraced(function* ({ paths }) {
      const images = yield* show(pack, index, paths)
      return { images: images.map((image) => ({ ...image, class: image.path.split("/")[0]! })) }
    })
  )
  const contactSheet = yield* sheetOf(pack, index).pipe(
    Effect.mapError((cause) =>
      typeof cause === "string"
        ? new Stage.StageFailure({ reason: `The contact sheet cannot be drawn: ${cause}` })
        : cause
    )
  )
  // none without a convolution, or beyond the time
  const seen = lookedAt.filter(({ evidence }) => evidence.bn !== undefined || evidence.nobn !== undefined)
  return { examples, mistakes, lookedAt: seen, found, conflicts, contactSheet }
}, Effect.scoped)

interface FileOfFolder {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Files of an output that is a folder. */
const writeFiles = Effect.fnUntraced(function* (folder: string, files: ReadonlyArray<FileOfFolder>) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  yield* Effect.forEach(files, ({ name, bytes }) => fs.writeFile(paths.join(folder, name), bytes)).pipe(
    Effect.mapError(toFailure)
  )
})

const writeReports = Effect.fnUntraced(function* (to: CompareContext["output"], data: ReportData) {
  const { numbersOf, renderMarkdown, renderReport } = yield* load
  const page = renderReport(data)
  yield* to.report.write(utf8(page))
  yield* to.markdown.write(utf8(renderMarkdown(data, numbersOf(page))))
})

const run = Effect.fnUntraced(function* ({ params, inputs, output, progress }: CompareContext) {
  const part = (label: string, done: number) => progress({ label, done, total: 4, unit: "parts" })
  const { compareAll, drawCharts, explain, sheetUri, tablesOf, toCsv } = yield* load
  const study = yield* readInputs(inputs)
  yield* part("scores", 0)
  const metrics = compareAll({ params, ...study })
  yield* output.metrics.write(metrics)
  yield* part("images", 1)
  const { found, contactSheet, ...images } = yield* gatherImages(inputs.shards.path, study, metrics)
  yield* part("charts", 2)
  const exampleUris = images.examples.map(({ uri }) => uri)
  const charts = yield* drawCharts({
    ...study,
    metrics,
    network: study.networks.nobn,
    exampleUris,
    lookedAt: images.lookedAt
  }).pipe(Effect.mapError(toFailure))
  yield* writeFiles(output.figures.path, [...charts.files, { name: "contact-sheet.png", bytes: contactSheet }])
  const tables = { ...charts.rows, ...tablesOf({ ...study, metrics }, found) }
  const csv = Object.entries(tables).map(([name, rows]) => ({ name: `${name}.csv`, bytes: utf8(toCsv(rows)) }))
  yield* writeFiles(output.tables.path, csv)
  yield* part("report", 3)
  const { values } = study.hidden
  yield* writeReports(output, {
    ...study,
    ...images,
    params,
    metrics,
    mistakesFound: found.length,
    tables,
    labels: charts.labels,
    contactSheet: yield* sheetUri(contactSheet),
    hiddenUnits: { bn: values.bn.units, nobn: values.nobn.units },
    missingLetters: charts.missing === undefined ? undefined : explain(charts.missing),
    charts: charts.inline
  })
})

export const compare = Stage.make({
  name: "compare",
  source: import.meta.url,
  params: CompareParams,
  inputs,
  output,
  run
})
