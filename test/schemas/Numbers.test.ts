/** The defaults of every stage's parameters: they are in keys, so they change on purpose only. */
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { AugmentParams } from "../../schemas/Augment.ts"
import { CompareParams } from "../../schemas/Compare.ts"
import { GradstatsParams } from "../../schemas/Gradstats.ts"
import { LogitsParams } from "../../schemas/Logits.ts"
import { SplitParams } from "../../schemas/Split.ts"
import { TrainParams } from "../../schemas/Train.ts"

it.each([
  [
    "split",
    SplitParams,
    {
      fractions: { train: 0.7, validation: 0.15, test: 0.15 },
      seed: 1,
      assign: "groups",
      dropAtMost: 0.25,
      duplicates: "drop",
      groupBy: "",
      perClass: 0,
      classes: 0,
      pixelLimit: 100_000_000
    }
  ],
  [
    "augment",
    AugmentParams,
    {
      size: 224,
      fit: "fill",
      trainSize: 6298,
      copies: 0,
      transforms: {
        flip: 0.5,
        rotation: 25,
        cropScale: [0.55, 1],
        cropRatio: [0.75, 4 / 3],
        brightness: 0,
        saturation: 0,
        fill: "border"
      },
      seed: 1,
      shardBytes: 67_108_864
    }
  ],
  [
    "train",
    TrainParams,
    {
      network: "seed",
      normalization: "asGiven",
      epochs: 24,
      batchSize: 32,
      loss: "crossEntropy",
      optimizer: "adam",
      learningRate: 0.0005,
      weightDecay: 0.0001,
      momentum: 0.9,
      schedule: "step",
      stepEpochs: 8,
      gamma: 0.5,
      plateauEpochs: 3,
      patience: 0,
      seed: 0
    }
  ],
  ["gradstats", GradstatsParams, { vanishing: 1e-3, exploding: 100, dead: 0.5, still: 1e-5, rushed: 0.1 }],
  ["logits", LogitsParams, { batchSize: 64 }],
  ["compare", CompareParams, { activation: "softmax", seed: 1, bootstrap: 2000, equivalenceMargin: 0.03, examples: 9 }]
] as const)("%s", (_, schema, defaults) => {
  const decoded = Schema.decodeUnknownSync(schema as Schema.Codec<unknown, unknown>)({})
  expect(Schema.encodeUnknownSync(schema as Schema.Codec<unknown, unknown>)(decoded)).toEqual(defaults)
})
