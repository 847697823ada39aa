/**
 * A network on any TensorFlow.js backend: the fused operations of Ops.ts under a gradient tape, and the optimizer
 * written out in tensors. The reference for the native program, and the program of the other engines.
 *
 * Gotchas: values are read with `await` only (GPU backends have no synchronous read). `check` is called after each
 * awaited read: WebGPU reports errors by events, not by exceptions.
 */
import type * as tfjs from "@tensorflow/tfjs-core"
import {
  type Alive,
  type Block,
  type ConvBlock,
  type DenseBlock,
  isTrainable,
  type Parameter,
  type Program,
  type ProgramOptions,
  parametersOf,
  type Slot,
  type StepInput,
  type StepOutput
} from "../Program.ts"
import * as Layouts from "./Layouts.ts"
import * as Ops from "./Ops.ts"

type Slots = { value: tfjs.Tensor; moment1: tfjs.Tensor | null; moment2: tfjs.Tensor | null }
type Values = ReadonlyMap<string, tfjs.Tensor>
type Statistics = Map<string, Ops.BatchStatistics>

/** uint8 pixels to (pixel / 255 - mean) / std, in one pass. */
const normalizePixels = (pixels: Uint8Array, mean: ReadonlyArray<number>, std: ReadonlyArray<number>): Float32Array => {
  const channels = mean.length
  const out = new Float32Array(pixels.length)
  for (let c = 0; c < channels; c++) {
    const scale = Math.fround(1 / (255 * std[c]!))
    const shift = Math.fround(-mean[c]! / std[c]!)
    for (let i = c; i < pixels.length; i += channels) out[i] = pixels[i]! * scale + shift
  }
  return out
}

const countCorrect = (logits: Float32Array, labels: Int32Array, classes: number): number => {
  let correct = 0
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes)
    let best = 0
    for (let c = 1; c < classes; c++) if (row[c]! > row[best]!) best = c
    if (best === label) correct++
  })
  return correct
}

export class TfProgram implements Program {
  readonly #tf: Ops.Tf
  readonly #options: ProgramOptions
  readonly #parameters: ReadonlyArray<Parameter>
  readonly #state = new Map<string, Slots>()
  readonly #check: () => void
  readonly #backend: string
  stepCount = 0

  constructor(tf: Ops.Tf, options: ProgramOptions, check: () => void = () => {}) {
    this.#tf = tf
    this.#options = options
    this.#parameters = parametersOf(options.shape)
    this.#check = check
    this.#backend = tf.getBackend()
    for (const parameter of this.#parameters) {
      const zeros = (): tfjs.Tensor => tf.keep(tf.zeros(Layouts.tfShape(options.shape, parameter)))
      const trained = isTrainable(parameter)
      const second = trained && options.optimizer.kind === "adam"
      this.#state.set(parameter.name, {
        value: zeros(),
        moment1: trained ? zeros() : null,
        moment2: second ? zeros() : null
      })
    }
  }

  /** TensorFlow.js has one current backend in a process; programs of several engines may take turns. */
  #activate(): void {
    if (this.#tf.getBackend() !== this.#backend) void this.#tf.setBackend(this.#backend)
  }

  #input(pixels: Uint8Array, n: number): tfjs.Tensor4D {
    const { shape, mean, std } = this.#options
    return this.#tf.tensor4d(normalizePixels(pixels, mean, std), [n, shape.size, shape.size, shape.channels])
  }

  #conv(block: ConvBlock, x: tfjs.Tensor4D, values: Values, statistics: Statistics | null): tfjs.Tensor4D {
    const get = <T extends tfjs.Tensor>(name: string): T => values.get(name) as T
    const w = get<tfjs.Tensor4D>(`${block.name}.weight`)
    const b = get<tfjs.Tensor1D>(`${block.name}.bias`)
    if (block.norm === null) return Ops.convBlock(this.#tf, block, x, w, b)
    const { name } = block.norm
    const gamma = get<tfjs.Tensor1D>(`${name}.weight`)
    const beta = get<tfjs.Tensor1D>(`${name}.bias`)
    if (statistics !== null) {
      return Ops.convNormBlock(this.#tf, block, { x, w, b, gamma, beta }, (seen) => statistics.set(name, seen))
    }
    const mean = get<tfjs.Tensor1D>(`${name}.running_mean`)
    const variance = get<tfjs.Tensor1D>(`${name}.running_var`)
    return Ops.convNormInference(this.#tf, block, x, { w, b, gamma, beta, mean, variance })
  }

  /** Logits; with `statistics` in training mode, which fills them. */
  #forward(
    x: tfjs.Tensor4D,
    values: Values,
    masks: StepInput["dropoutMasks"],
    statistics: Statistics | null,
    onOutput: (block: Block, output: tfjs.Tensor) => void = () => {}
  ): tfjs.Tensor2D {
    const tf = this.#tf
    const n = x.shape[0]
    let image = x
    let flat: tfjs.Tensor2D | undefined
    for (const block of this.#options.shape.blocks) {
      if (block.kind === "conv") {
        image = this.#conv(block, image, values, statistics)
        onOutput(block, image)
        continue
      }
      flat ??= flatten(tf, image)
      const bytes = statistics === null ? undefined : masks.get(block.name)
      const mask = bytes === undefined ? null : tf.tensor2d(Float32Array.from(bytes), [n, block.units])
      flat = this.#dense(block, flat, values, mask)
      onOutput(block, flat)
    }
    return flat!
  }

  #dense(block: DenseBlock, x: tfjs.Tensor2D, values: Values, mask: tfjs.Tensor2D | null): tfjs.Tensor2D {
    const w = values.get(`${block.name}.weight`) as tfjs.Tensor2D
    const b = values.get(`${block.name}.bias`) as tfjs.Tensor1D
    return Ops.denseBlock(this.#tf, block, x, w, b, mask)
  }

  async step(input: StepInput): Promise<StepOutput> {
    this.#activate()
    const tf = this.#tf
    const trained = this.#parameters.filter(isTrainable)
    const statistics: Statistics = new Map()
    const n = input.labels.length
    const { logits, loss, gradients } = tf.tidy(() => {
      const x = this.#input(input.pixels, n)
      const labels = tf.tensor1d(input.labels, "int32")
      let seen: tfjs.Tensor2D | undefined
      const f = (...values: Array<tfjs.Tensor>): tfjs.Scalar => {
        const out = this.#forward(
          x,
          new Map(trained.map((p, i) => [p.name, values[i]!])),
          input.dropoutMasks,
          statistics
        )
        seen = tf.keep(out.clone())
        return this.#options.loss === "sparsemax"
          ? Ops.sparsemaxLoss(tf, out, labels)
          : Ops.softmaxCrossEntropy(tf, out, labels)
      }
      const { value, grads } = tf.valueAndGrads(f)(trained.map((p) => this.#state.get(p.name)!.value))
      return { logits: tf.keep(seen!), loss: tf.keep(value), gradients: grads.map((g) => tf.keep(g)) }
    })
    try {
      const [found] = await loss.data()
      // a sparsemax loss of 0 may come out a rounding below
      const lossValue = this.#options.loss === "sparsemax" ? Math.max(0, found!) : found!
      const correct = countCorrect((await logits.data()) as Float32Array, input.labels, this.#options.shape.classes)
      const gradientNorms = await this.#norms(trained, gradients)
      this.#check()
      if (Number.isFinite(lossValue)) this.#update(trained, gradients, statistics, input.learningRate, n)
      return { loss: lossValue, correct, gradientNorms }
    } finally {
      tf.dispose([logits, loss, ...gradients])
      for (const { mean, variance } of statistics.values()) tf.dispose([mean, variance])
    }
  }

  async #norms(
    trained: ReadonlyArray<Parameter>,
    gradients: ReadonlyArray<tfjs.Tensor>
  ): Promise<Record<string, number>> {
    const tf = this.#tf
    const norms: Record<string, number> = {}
    for (const [i, parameter] of trained.entries()) {
      if (parameter.role !== "weight") continue
      const norm = tf.tidy(() => tf.sqrt(tf.sum(tf.square(gradients[i]!))))
      norms[this.#options.shape.blocks[parameter.block]!.name] = (await norm.data())[0]!
      norm.dispose()
    }
    return norms
  }

  #replace(slots: Slots, next: Partial<Slots>): void {
    for (const slot of ["value", "moment1", "moment2"] as const) {
      const tensor = next[slot]
      if (tensor === undefined || tensor === null) continue
      slots[slot]?.dispose()
      slots[slot] = this.#tf.keep(tensor)
    }
  }

  #update(
    trained: ReadonlyArray<Parameter>,
    gradients: ReadonlyArray<tfjs.Tensor>,
    statistics: Statistics,
    rate: number,
    n: number
  ): void {
    const tf = this.#tf
    tf.tidy(() => {
      for (const [i, parameter] of trained.entries()) {
        const slots = this.#state.get(parameter.name)!
        this.#replace(slots, this.#optimize(slots, gradients[i]!, rate))
      }
      for (const block of this.#options.shape.blocks) {
        if (block.kind !== "conv" || block.norm === null) continue
        const { mean, variance } = statistics.get(block.norm.name)!
        const { momentum } = block.norm
        const values = n * block.convSize * block.convSize
        const blend = (slots: Slots, now: tfjs.Tensor): void =>
          this.#replace(slots, { value: tf.add(tf.mul(slots.value, 1 - momentum), tf.mul(now, momentum)) })
        blend(this.#state.get(`${block.norm.name}.running_mean`)!, mean)
        blend(this.#state.get(`${block.norm.name}.running_var`)!, tf.mul(variance, values / (values - 1)))
      }
    })
    this.stepCount++
  }

  /** One step of the optimizer on one tensor: see `Optimizer`. */
  #optimize(slots: Slots, gradient: tfjs.Tensor, rate: number): Partial<Slots> {
    const tf = this.#tf
    const { optimizer } = this.#options
    const g = tf.add(gradient, tf.mul(slots.value, optimizer.weightDecay))
    if (optimizer.kind === "sgd") {
      // torch's first step sets the momentum buffer to the gradient; with zeros before, that is the same
      const moment1 = tf.add(tf.mul(slots.moment1!, optimizer.momentum ?? 0), g)
      return { moment1, value: tf.sub(slots.value, tf.mul(moment1, rate)) }
    }
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = optimizer
    const t = this.stepCount + 1
    const moment1 = tf.add(tf.mul(slots.moment1!, beta1), tf.mul(g, 1 - beta1))
    const moment2 = tf.add(tf.mul(slots.moment2!, beta2), tf.mul(tf.square(g), 1 - beta2))
    const root = tf.add(tf.mul(tf.sqrt(moment2), 1 / Math.sqrt(1 - beta2 ** t)), epsilon)
    const value = tf.sub(slots.value, tf.div(tf.mul(moment1, rate / (1 - beta1 ** t)), root))
    return { moment1, moment2, value }
  }

  async predict(pixels: Uint8Array, n: number, alive?: Alive): Promise<Float32Array> {
    this.#activate()
    const tf = this.#tf
    const values = new Map([...this.#state].map(([name, slots]) => [name, slots.value]))
    /** The largest value of each channel or unit, for the blocks in `alive`. */
    const peaks = new Map<string, tfjs.Tensor>()
    const logits = tf.tidy(() =>
      this.#forward(this.#input(pixels, n), values, new Map(), null, (block, output) => {
        if (alive?.has(block.name) !== true) return
        peaks.set(block.name, tf.keep(tf.max(output, block.kind === "conv" ? [0, 1, 2] : [0])))
      })
    )
    const data = (await logits.data()) as Float32Array
    for (const [name, peak] of peaks) {
      const marks = alive!.get(name)!
      const found = (await peak.data()) as Float32Array
      found.forEach((value, i) => {
        if (value > 0) marks[i] = 1
      })
      peak.dispose()
    }
    logits.dispose()
    this.#check()
    return data
  }

  async read(slot: Slot, parameter: Parameter, into?: Float32Array): Promise<Float32Array> {
    const tensor = this.#state.get(parameter.name)![slot]
    if (tensor === null) throw new Error(`${parameter.name} has no ${slot}`)
    const data = (await tensor.data()) as Float32Array
    this.#check()
    return Layouts.toTorch(this.#options.shape, parameter, data, into)
  }

  write(slot: Slot, parameter: Parameter, data: Float32Array): void {
    this.#activate()
    const { shape } = this.#options
    const tensor = this.#tf.tensor(Layouts.fromTorch(shape, parameter, data), Layouts.tfShape(shape, parameter))
    this.#replace(this.#state.get(parameter.name)!, { [slot]: tensor })
  }

  dispose(): void {
    for (const { value, moment1, moment2 } of this.#state.values()) {
      value.dispose()
      moment1?.dispose()
      moment2?.dispose()
    }
    this.#state.clear()
  }
}

/** H,W,C order, under the tape. */
const flatten = (tf: Ops.Tf, x: tfjs.Tensor4D): tfjs.Tensor2D =>
  tf.customGrad((...args) => {
    const [input] = args as unknown as [tfjs.Tensor4D]
    const value = tf.reshape(input, [input.shape[0], -1])
    return { value, gradFunc: (dy: tfjs.Tensor) => [tf.reshape(dy, input.shape)] }
  })(x) as tfjs.Tensor2D
