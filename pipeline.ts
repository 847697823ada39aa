/**
 * The study: a small CNN on a folder of images, with and without batch normalization; the norms of its gradients; its
 * logits under several output activations. Six stages, seven steps; each reads only its wired inputs. The trainings
 * run once per seed, on the same images: from two seeds with the profile `quick`, else from as many as `--seeds` says.
 */
import { Pipeline } from "./core/index.ts"
import { emojiGroupBy } from "./demo/EmojiClasses.ts"
import { images } from "./demo/EmojiSource.ts"
import { MetricsArtifact } from "./schemas/Compare.ts"
import { HistoryArtifact } from "./schemas/Train.ts"
import { augment } from "./stages/augment.ts"
import { compare } from "./stages/compare.ts"
import { gradstats } from "./stages/gradstats.ts"
import { logits } from "./stages/logits.ts"
import { split } from "./stages/split.ts"
import { train } from "./stages/train.ts"

// The demo set has one emoji drawn by several artists; all drawings of one stay in one split.
export const parts = Pipeline.step(split, { inputs: { images: images.port }, params: { groupBy: emojiGroupBy } })

export const packed = Pipeline.step(augment, { inputs: { images: images.port, manifest: parts.out.manifest } })

export const batches = { index: packed.out.index, shards: packed.out.shards }
export const bn = Pipeline.step(train, {
  variant: "bn",
  inputs: batches,
  params: { normalization: "batch" },
  perSeed: true
})
const nobn = Pipeline.step(train, {
  variant: "nobn",
  inputs: batches,
  params: { normalization: "none" },
  perSeed: true
})

const gradients = Pipeline.step(gradstats, { inputs: { bn: bn.out.history, nobn: nobn.out.history } })

const raw = Pipeline.step(logits, {
  inputs: {
    ...batches,
    bnNetwork: bn.out.network,
    bnWeights: bn.out.weights,
    nobnNetwork: nobn.out.network,
    nobnWeights: nobn.out.weights,
    bnNetworkReplicas: Pipeline.furtherSeeds(bn.out.network),
    bnWeightsReplicas: Pipeline.furtherSeeds(bn.out.weights),
    nobnNetworkReplicas: Pipeline.furtherSeeds(nobn.out.network),
    nobnWeightsReplicas: Pipeline.furtherSeeds(nobn.out.weights)
  }
})

const compared = Pipeline.step(compare, {
  inputs: {
    ...batches,
    manifest: parts.out.manifest,
    bn: bn.out.history,
    nobn: nobn.out.history,
    bnReplicas: Pipeline.furtherSeeds(bn.out.history),
    nobnReplicas: Pipeline.furtherSeeds(nobn.out.history),
    bnNetwork: bn.out.network,
    nobnNetwork: nobn.out.network,
    bnWeights: bn.out.weights,
    nobnWeights: nobn.out.weights,
    gradstats: gradients.out.summary,
    logits: raw.out.logits,
    seedLogits: raw.out.seedLogits,
    penultimate: raw.out.penultimate
  }
})

/** What every pipeline over these steps has. */
export const settings = {
  seed: 17,
  // as many as leave the whole run within five minutes on two cores
  seeds: { quick: 2 },
  flags: {
    engine: { sets: "engine.name", description: "The engine: auto, native, tensorflow, webgpu, cpu" }
  },
  checks: () => import("./engine/Doctor.ts").then(({ checks }) => checks),
  defaultProfile: "quick"
} as const

export const profiles = {
  /** Seconds: to see that everything works. */
  tiny: {
    images: { perClass: 12 },
    // too few drawings to keep those of one emoji together
    split: { classes: 6, groupBy: "" },
    augment: { size: 48, trainSize: 0, copies: 1 },
    train: { epochs: 2, batchSize: 16 }
  },
  /** Minutes: the whole demo set at a small size. */
  quick: {
    augment: { size: 96, trainSize: 0, copies: 1 },
    train: { epochs: 12, stepEpochs: 4 }
  },
  /** The seed study's own figures. */
  seed: {
    augment: { size: 224, trainSize: 6298 },
    train: { epochs: 24 }
  }
}

export default Pipeline.make({
  ...settings,
  name: "study",
  steps: [parts, packed, bn, nobn, gradients, raw, compared],
  report: compared.out.report,
  metrics: [MetricsArtifact],
  plots: [HistoryArtifact],
  commands: () => import("./commands/index.ts").then(({ commands }) => commands),
  profiles: { ...profiles, tiny: { ...profiles.tiny, compare: { bootstrap: 200 } } }
})
