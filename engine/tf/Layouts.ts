/**
 * Between PyTorch's layouts and TensorFlow.js's: OIHW and HWIO for convolutions; out x in and in x out for dense
 * layers, whose inputs are flattened as C,H,W there and as H,W,C here.
 */
import { type NetworkShape, type Parameter, weightChannels } from "../Program.ts"

/** Calls `move(index in PyTorch's layout, index in TensorFlow.js's)` for every element of a parameter. */
const eachElement = (shape: NetworkShape, parameter: Parameter, move: (torch: number, tf: number) => void): void => {
  const block = shape.blocks[parameter.block]!
  const size = parameter.shape.reduce((n, d) => n * d, 1)
  if (parameter.role !== "weight") {
    for (let i = 0; i < size; i++) move(i, i)
  } else if (block.kind === "conv") {
    const { filters, kernel } = block
    const channels = weightChannels(block)
    const taps = kernel * kernel
    for (let o = 0; o < filters; o++) {
      for (let i = 0; i < channels; i++) {
        for (let t = 0; t < taps; t++) move((o * channels + i) * taps + t, (t * channels + i) * filters + o)
      }
    }
  } else {
    const { units, inputs, flattens } = block
    const [height, width, channels] = flattens ?? [1, 1, inputs]
    const places = height * width
    for (let u = 0; u < units; u++) {
      for (let c = 0; c < channels; c++) {
        for (let p = 0; p < places; p++) move(u * inputs + c * places + p, (p * channels + c) * units + u)
      }
    }
  }
}

/** The shape that TensorFlow.js keeps a parameter in. */
export const tfShape = (shape: NetworkShape, parameter: Parameter): Array<number> => {
  const block = shape.blocks[parameter.block]!
  if (parameter.role !== "weight") return [...parameter.shape]
  if (block.kind === "dense") return [block.inputs, block.units]
  const { kernel, inputChannels, filters, depthwise } = block
  return depthwise ? [kernel, kernel, filters, 1] : [kernel, kernel, inputChannels, filters]
}

export const fromTorch = (shape: NetworkShape, parameter: Parameter, data: Float32Array): Float32Array => {
  const out = new Float32Array(data.length)
  eachElement(shape, parameter, (torch, tf) => {
    out[tf] = data[torch]!
  })
  return out
}

export const toTorch = (
  shape: NetworkShape,
  parameter: Parameter,
  data: Float32Array,
  into: Float32Array = new Float32Array(data.length)
): Float32Array => {
  eachElement(shape, parameter, (torch, tf) => {
    into[torch] = data[tf]!
  })
  return into
}
