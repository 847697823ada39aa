import { Pipeline } from "op-pipe"
import study from "op-pipe-study"
import { HistoryArtifact } from "op-pipe-study/schemas/Train"
import { augment } from "op-pipe-study/stages/augment"
import { split } from "op-pipe-study/stages/split"
import { train } from "op-pipe-study/stages/train"
import { rank } from "./rank.ts"

/** The images of the study: those in `data/`, or the demo set. */
const images = study.sources.find(({ name }) => name === "images")!.port
const { manifest } = Pipeline.step(split, { inputs: { images }, params: { classes: 4, groupBy: "" } }).out
const packed = Pipeline.step(augment, { inputs: { images, manifest } })

const inputs = { index: packed.out.index, shards: packed.out.shards }
const bn = Pipeline.step(train, { variant: "bn", inputs, params: { normalization: "batch" } })
const nobn = Pipeline.step(train, { variant: "nobn", inputs, params: { normalization: "none" } })
/** The third: no normalization either, but the other optimizer. */
const sgd = Pipeline.step(train, {
  variant: "sgd",
  inputs,
  params: { normalization: "none", optimizer: "sgd", learningRate: 0.01 }
})

const histories = Pipeline.gather({ bn: bn.out.history, nobn: nobn.out.history, sgd: sgd.out.history })

export default Pipeline.make({
  name: "three-networks",
  steps: [Pipeline.step(rank, { inputs: { histories } })],
  plots: [HistoryArtifact],
  profiles: {
    tiny: {
      images: { perClass: 12 },
      augment: { size: 48, trainSize: 0, copies: 1 },
      train: { epochs: 2, batchSize: 16 }
    }
  }
})
