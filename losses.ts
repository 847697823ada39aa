/**
 * What the loss of sparsemax is worth: the study's network with batch normalization, trained by the cross-entropy of softmax
 * and by the loss of sparsemax. It has its own page, and takes from the study what that has made already.
 *
 *     op-pipe run --file losses.ts
 */
import { Pipeline } from "./core/index.ts"
import { batches, bn, packed, parts, profiles, settings } from "./pipeline.ts"
import { LossesArtifact } from "./schemas/Losses.ts"
import { HistoryArtifact } from "./schemas/Train.ts"
import { losses } from "./stages/losses.ts"
import { train } from "./stages/train.ts"

const sparse = Pipeline.step(train, {
  variant: "sparsemax",
  inputs: batches,
  params: { normalization: "batch", loss: "sparsemax" },
  perSeed: true
})

const compared = Pipeline.step(losses, {
  inputs: {
    ...batches,
    manifest: parts.out.manifest,
    crossEntropy: bn.out.history,
    crossEntropyNetwork: bn.out.network,
    crossEntropyWeights: bn.out.weights,
    crossEntropyNetworkReplicas: Pipeline.furtherSeeds(bn.out.network),
    crossEntropyWeightsReplicas: Pipeline.furtherSeeds(bn.out.weights),
    sparsemax: sparse.out.history,
    sparsemaxNetwork: sparse.out.network,
    sparsemaxWeights: sparse.out.weights,
    sparsemaxNetworkReplicas: Pipeline.furtherSeeds(sparse.out.network),
    sparsemaxWeightsReplicas: Pipeline.furtherSeeds(sparse.out.weights)
  }
})

export default Pipeline.make({
  ...settings,
  name: "losses",
  steps: [parts, packed, bn, sparse, compared],
  report: compared.out.report,
  metrics: [LossesArtifact],
  plots: [HistoryArtifact],
  profiles: { ...profiles, tiny: { ...profiles.tiny, losses: { bootstrap: 200 } } }
})
