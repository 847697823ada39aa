/** `op-pipe predict IMAGE...`: predictions of the trained networks for a user's own images. */
import { availableParallelism } from "node:os"
import * as path from "node:path"
import { buffer } from "node:stream/consumers"
import * as Argument from "effect/cli/Argument"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  jsonFlag,
  paint,
  printError,
  printLine,
  projectFlags,
  RunFailed,
  replaceFile,
  toolchainDir,
  UsageError,
  withStore
} from "../cli/index.ts"
import { type ActivationName, activationNames, activations } from "../schemas/activations/Activations.ts"
import { type VariantName, variants } from "../schemas/Names.ts"
import type { PageData, PredictedImage, Top } from "../stages/lib/report/PredictionPage.ts"
import * as Trained from "./Trained.ts"

/** The network of the last training, loaded. */
const load = Effect.fnUntraced(function* (model: VariantName) {
  const { result: trained, network, bestEpoch, weights } = yield* Trained.load(model)
  const { engine } = yield* Effect.promise(() => import("../stages/lib/network/EngineToolchain.ts"))
  const Predict = yield* Effect.promise(() => import("../stages/lib/network/Predict.ts"))
  const cacheDir = yield* toolchainDir(engine.name)
  const params = yield* Effect.orDie(Schema.decodeUnknownEffect(engine.params)({}))
  const notify = (line: string): void => Effect.runSync(printError(line))
  const cores = availableParallelism()
  const identity = yield* engine.identify(params, { cores, cacheDir, notify })
  const predictor = yield* Predict.make({ identity, cacheDir, cores, network, weights })
  return { network, predictor, trained, bestEpoch, identity }
})

type Loaded = Effect.Success<ReturnType<typeof load>>

/** A longer name reaches beyond its column: one of 200 letters must not move the bars of the others off the terminal. */
const longestName = 40

const bar = (share: number): string => "█".repeat(Math.round(share * 24)).padEnd(24, "░")

/** What the arguments name: files, all images below a folder, or "-" for standard input. */
const filesOf = Effect.fnUntraced(function* (given: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(given))
  if (given === standardInput || Option.isNone(info) || info.value.type !== "Directory") return [given]
  const { imageName } = yield* Effect.promise(() => import("../stages/lib/network/Predict.ts"))
  const below = yield* Effect.orDie(fs.readDirectory(given, { recursive: true }))
  return below
    .filter((name) => imageName.test(name) && !/(^|\/)\./u.test(name))
    .sort()
    .map((name) => path.join(given, name))
})

const standardInput = "-"

const readBytes = (image: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    image === standardInput
      ? Effect.promise(() => buffer(process.stdin)).pipe(Effect.map((bytes): Uint8Array => bytes))
      : fs.readFile(image)
  ).pipe(Effect.mapError(({ reason }) => (reason._tag === "NotFound" ? "no such file" : reason.message)))

/** Predicts one image. Data URIs are made only for a page. */
const predictImage = Effect.fnUntraced(function* (
  loaded: Loaded,
  image: string,
  under: ReadonlyArray<ActivationName>,
  forPage: boolean
): Effect.fn.Return<PredictedImage, never, FileSystem.FileSystem> {
  const { predictor, network } = loaded
  const bytes = yield* Effect.result(readBytes(image))
  if (Result.isFailure(bytes)) return { image, error: `${image}: ${bytes.failure}` }
  const prediction = yield* Effect.result(predictor.predict(image, bytes.success))
  if (Result.isFailure(prediction)) return { image, error: prediction.failure.message }
  const { topCount, topOf } = yield* Effect.promise(() => import("../stages/lib/statistics/scores/Metrics.ts"))
  const { logits, input } = prediction.success
  const top = under.map(
    (activation): Top => ({
      activation,
      classes: topOf(activations[activation].apply(logits), network.classes, topCount)
    })
  )
  if (!forPage) return { image, uri: "", inputUri: "", evidence: undefined, top }
  const Page = yield* Effect.promise(() => import("../stages/lib/report/PredictionPage.ts"))
  const { argmax } = yield* Effect.promise(() => import("../stages/lib/statistics/Scores.ts"))
  const label = argmax(logits, 0, logits.length)
  const evidence = yield* Option.match(predictor.evidence(input, label), {
    onNone: () => Effect.succeed(undefined),
    onSome: (found) =>
      Effect.map(Page.evidenceUri(input, found, network.size), (uri) => ({ class: network.classes[label]!, uri }))
  })
  const [uri, inputUri] = [yield* Page.imageUri(bytes.success), yield* Page.inputUri(input, network.size)]
  return { image, uri, inputUri, evidence, top }
})

/** Prints the prediction under the first of the activations. */
const print = Effect.fnUntraced(function* (
  loaded: Loaded,
  predicted: PredictedImage,
  flags: { model: string; json: boolean }
) {
  const { image } = predicted
  if ("error" in predicted) {
    return yield* flags.json
      ? printLine(JSON.stringify({ image, error: predicted.error }))
      : printError(`${paint("red", "✗", process.stderr)} ${predicted.error}`)
  }
  const { activation, classes: top } = predicted.top[0]!
  if (flags.json) return yield* printLine(JSON.stringify({ image, model: flags.model, activation, top }))
  yield* printLine(paint("bold", image))
  const width = Math.min(longestName, Math.max(...loaded.network.classes.map(CliOutput.displayWidth)))
  for (const each of top)
    yield* printLine(
      `  ${each.class}${" ".repeat(Math.max(0, width - CliOutput.displayWidth(each.class)))} ${bar(each.probability)} ${(each.probability * 100).toFixed(1).padStart(5)} %`
    )
})

/** The network and the provenance of the predictions, for the page. */
const described = ({ trained, network, bestEpoch, identity }: Loaded, model: VariantName): Omit<PageData, "images"> => {
  const { provenance, params } = trained
  const { commit, dirty } = provenance
  const { name, version, device, precision } = identity
  const at = commit === null ? "" : `, commit ${commit.slice(0, 12)}${dirty === true ? " with changes" : ""}`
  return {
    network: `has ${model === "bn" ? "batch normalization" : "no batch normalization"} and distinguishes ${network.classes.length} classes`,
    from: [
      ["network", `train@${model}, epoch ${bestEpoch} (best on validation), seed ${params["seed"]}`],
      [
        "result",
        `${trained.key.slice(0, 12)}, made ${provenance.startedAt.slice(0, 16).replace("T", " ")} UTC by op-pipe ${provenance.opPipe}${at}`
      ],
      ["images", `${network.size} × ${network.size} pixels`],
      ["computed by", `engine ${name} ${version}, ${device}, ${precision}`]
    ]
  }
}

const isPage = (file: string): boolean => /\.html?$/iu.test(file)

const writePage = Effect.fnUntraced(function* (file: string, data: PageData) {
  const Page = yield* Effect.promise(() => import("../stages/lib/report/PredictionPage.ts"))
  yield* replaceFile(file, new TextEncoder().encode(Page.renderPredictions(data)))
})

export const predict = Command.make(
  "predict",
  {
    ...projectFlags,
    images: Argument.String("image").pipe(
      Argument.withDescription("Image files, folders of them, or - for standard input"),
      Argument.atLeast(1)
    ),
    activation: Flag.Literals("activation", activationNames).pipe(
      Flag.withDescription("Output activation; default: softmax, on a page softmax and sparsemax"),
      Flag.optional
    ),
    model: Flag.Literals("model", variants).pipe(
      Flag.withDescription("The network with batch normalization (bn) or without (nobn)"),
      Flag.withDefault("bn")
    ),
    html: Flag.String("html").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Write an HTML page with each image beside its most probable classes"),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("cli.predict")(function* (flags) {
    const html = Option.getOrUndefined(flags.html)
    // a shell's pattern may have put an image there, which would be overwritten
    if (html !== undefined && !isPage(html))
      return yield* new UsageError({
        message: `--html ${html}: expected a file name that ends with .html. Name one before the images`
      })
    const under = Option.match(flags.activation, {
      onNone: (): ReadonlyArray<ActivationName> => (html === undefined ? ["softmax"] : ["softmax", "sparsemax"]),
      onSome: (chosen) => [chosen]
    })
    const predictions = yield* withStore(flags, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const loaded = yield* load(flags.model)
          const predictions: Array<PredictedImage> = []
          const files = (yield* Effect.forEach(flags.images, filesOf)).flat()
          if (files.length === 0)
            return yield* new UsageError({ message: `${flags.images.join(", ")}: expected images, but found none` })
          for (const image of files) {
            const predicted = yield* predictImage(loaded, image, under, html !== undefined)
            yield* print(loaded, predicted, flags)
            predictions.push(predicted)
          }
          if (html !== undefined) {
            yield* writePage(html, { images: predictions, ...described(loaded, flags.model) })
            yield* printError(`The page is ${html}.`)
          }
          return predictions
        })
      )
    )
    const unreadable = predictions.filter((predicted) => "error" in predicted).length
    if (unreadable > 0)
      return yield* new RunFailed({
        fault: "input",
        message: `${unreadable} ${unreadable === 1 ? "image" : "images"} could not be read`
      })
  })
).pipe(
  Command.withDescription("Print the three most probable classes of images, by a network of the last run"),
  Command.withExamples([
    { command: "op-pipe predict --html answers.html photos/*.jpg", description: "A page to look at in a browser" }
  ])
)
