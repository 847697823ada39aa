import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "op-pipe"

const number = (value: number) => Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))
const Posts = Artifact.file({ tag: "Posts/v1", path: "posts.tsv" })
const Parts = Artifact.file({ tag: "Parts/v1", path: "parts.json" })
const Features = Artifact.file({ tag: "Features/v1", path: "features.json" })
const Model = Artifact.file({ tag: "Model/v1", path: "model.json" })
const Scores = Artifact.json({
  tag: "Scores/v1",
  path: "scores.json",
  schema: Schema.Struct({ accuracy: Schema.Finite, posts: Schema.Int })
})

const prepare = Stage.python({
  name: "prepare",
  source: "src/prepare.py",
  params: Schema.Struct({ split: number(0.3), seed: number(20170428) }),
  inputs: { posts: Posts },
  output: { parts: Parts }
})
const featurize = Stage.python({
  name: "featurize",
  source: "src/featurize.py",
  params: Schema.Struct({ max_features: number(100), ngrams: number(1) }),
  inputs: { parts: Parts },
  output: { features: Features }
})
const train = Stage.python({
  name: "train",
  source: "src/train.py",
  params: Schema.Struct({ smoothing: number(1) }),
  inputs: { features: Features },
  output: { model: Model }
})
const evaluate = Stage.python({
  name: "evaluate",
  source: "src/evaluate.py",
  params: Schema.Struct({}),
  inputs: { features: Features, model: Model },
  output: { scores: Scores }
})

const posts = Pipeline.source({ name: "posts", artifact: Posts, path: "posts.tsv" })
const { parts } = Pipeline.step(prepare, { inputs: { posts: posts.port } }).out
const { features } = Pipeline.step(featurize, { inputs: { parts } }).out
const { model } = Pipeline.step(train, { inputs: { features } }).out
const evaluated = Pipeline.step(evaluate, { inputs: { features, model } })

export default Pipeline.make({ name: "python-training", steps: [evaluated], metrics: [Scores] })
