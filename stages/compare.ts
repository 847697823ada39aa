/**
 * compare: scores of both networks under every output activation, statistics, verdicts, charts, and the report.
 *
 * It reads logits, not networks: another activation reruns this stage alone.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { Artifact, Stage } from "../core/index.ts"
import { ContactSheet, IndexArtifact, type PackIndex, Shards } from "../schemas/Augment.ts"
import {
  Charts,
  CompareParams,
  MarkdownReport,
  type Metrics,
  MetricsArtifact,
  ReportArtifact
} from "../schemas/Compare.ts"
import { GradstatsArtifact } from "../schemas/Gradstats.ts"
import { LogitsArtifact, PenultimateArtifact } from "../schemas/Logits.ts"
import { type Manifest, ManifestArtifact } from "../schemas/Split.ts"
import { HistoryArtifact, NetworkArtifact } from "../schemas/Train.ts"
import { toFailure } from "./lib/Failure.ts"
import type { ReportData } from "./lib/report/Data.ts"
import type { LogitsTable } from "./lib/tables/LogitsTable.ts"

const load = Effect.promise(() => import("./lib/report/Work.ts"))

const readTable = Effect.fnUntraced(function* <A>(
  what: string,
  path: string,
  decode: (bytes: Uint8Array) => Option.Option<A>
) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* Effect.mapError(fs.readFile(path), toFailure)
  const table = yield* Effect.try({ try: () => decode(bytes), catch: () => undefined }).pipe(
    Effect.catch(() => Effect.succeed(Option.none<A>()))
  )
  if (Option.isSome(table)) return table.value
  return yield* new Stage.StageFailure({
    reason: `The table of ${what} cannot be read`,
    expected: "an Arrow file as the step logits writes it",
    actual: "something else"
  })
})

/** All images that the report shows. */
const gatherImages = Effect.fnUntraced(function* (
  shards: string,
  index: PackIndex,
  manifest: Manifest,
  metrics: Metrics,
  table: LogitsTable
) {
  const { Pack, show, worstMistakes } = yield* load
  const pack = yield* Pack.open(shards, index)
  const examples = yield* show(
    pack,
    index,
    metrics.examples.map(({ path }) => path)
  )
  const worst = worstMistakes(table, metrics.activation)
  const shown = yield* show(
    pack,
    index,
    worst.map(({ path }) => path)
  )
  const mistakes = worst.map((mistake, i) => ({ ...mistake, uri: shown[i]!.uri }))
  const conflicts = yield* Effect.forEach(
    manifest.conflicts.slice(0, 40),
    Effect.fnUntraced(function* ({ paths }) {
      const images = yield* show(pack, index, paths)
      return { images: images.map((image) => ({ ...image, class: image.path.split("/")[0]! })) }
    })
  )
  return { examples, mistakes, conflicts }
}, Effect.scoped)

export const compare = Stage.make({
  name: "compare",
  source: import.meta.url,
  params: CompareParams,
  inputs: {
    manifest: ManifestArtifact,
    index: IndexArtifact,
    shards: Shards,
    contactSheet: ContactSheet,
    bn: HistoryArtifact,
    nobn: HistoryArtifact,
    bnReplicas: Artifact.replicas(HistoryArtifact),
    nobnReplicas: Artifact.replicas(HistoryArtifact),
    bnNetwork: NetworkArtifact,
    nobnNetwork: NetworkArtifact,
    gradstats: GradstatsArtifact,
    logits: LogitsArtifact,
    penultimate: PenultimateArtifact
  },
  output: { metrics: MetricsArtifact, report: ReportArtifact, markdown: MarkdownReport, ...Charts },
  run: ({ params, inputs, output, progress }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const step = (label: string, done: number) => progress({ label, done, total: 4, unit: "parts" })
      const manifest = yield* inputs.manifest.read
      const index = yield* inputs.index.read
      const work = yield* load
      const table = yield* readTable("logits", inputs.logits.path, work.LogitsTable.decode)
      const hidden = yield* readTable("hidden values", inputs.penultimate.path, work.PenultimateTable.decode)
      const histories = { bn: yield* inputs.bn.read, nobn: yield* inputs.nobn.read }
      const replicas = {
        bn: yield* Effect.forEach(inputs.bnReplicas, ({ read }) => read),
        nobn: yield* Effect.forEach(inputs.nobnReplicas, ({ read }) => read)
      }
      const networks = { bn: yield* inputs.bnNetwork.read, nobn: yield* inputs.nobnNetwork.read }
      const gradients = yield* inputs.gradstats.read
      yield* step("scores", 0)
      const metrics = work.compareAll({ params, manifest, table, histories, replicas, gradients })
      yield* output.metrics.write(metrics)
      yield* step("images", 1)
      const images = yield* gatherImages(inputs.shards.path, index, manifest, metrics, table)
      yield* step("charts", 2)
      const drawn = yield* work
        .drawCharts({
          metrics,
          manifest,
          histories,
          gradients,
          network: networks.nobn,
          table,
          hidden,
          exampleUris: images.examples.map(({ uri }) => uri)
        })
        .pipe(Effect.mapError(toFailure))
      yield* step("report", 3)
      const contactSheet = yield* work.sheetUri(inputs.contactSheet.path)
      const data: ReportData = {
        params,
        metrics,
        manifest,
        index,
        histories,
        networks,
        gradients,
        ...images,
        contactSheet,
        hiddenUnits: { bn: hidden.values.bn.units, nobn: hidden.values.nobn.units },
        missingLetters: drawn.missing === undefined ? undefined : work.explain(drawn.missing),
        charts: drawn.inline
      }
      const { loss, accuracy, confusion, calibration } = drawn.files
      yield* Effect.all([
        fs.writeFileString(output.report.path, work.renderReport(data)),
        fs.writeFileString(output.markdown.path, work.renderMarkdown(data)),
        fs.writeFileString(output.loss.path, work.standalone(loss)),
        fs.writeFileString(output.accuracy.path, work.standalone(accuracy)),
        fs.writeFileString(output.confusion.path, work.standalone(confusion)),
        fs.writeFileString(output.calibration.path, work.standalone(calibration)),
        fs.writeFile(output.logits.path, drawn.files.logits),
        fs.writeFile(output.predictions.path, drawn.files.predictions)
      ]).pipe(Effect.mapError(toFailure))
    })
})
