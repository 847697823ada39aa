/**
 * An unfinished training as bytes: the checkpoint that a killed training resumes from.
 *
 * Layout: length of the header (uint32, little endian), header (JSON), engine state, weights of the best epoch so far.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Epoch } from "../../../schemas/Train.ts"

const Header = Schema.fromJsonString(
  Schema.Struct({
    format: Schema.Literal("TrainingState/v1"),
    epochs: Schema.Array(Epoch),
    bestEpoch: Schema.Int,
    stateBytes: Schema.Int
  })
)

export interface TrainingState {
  readonly epochs: ReadonlyArray<Epoch>
  /** 0 before the first epoch. */
  readonly bestEpoch: number
  readonly engineState: Uint8Array
  readonly bestWeights: Uint8Array
}

/** The state's bytes in pieces, one after the other; the large ones are not copied. */
export const encode = (state: TrainingState): ReadonlyArray<Uint8Array> => {
  const { epochs, bestEpoch, engineState, bestWeights } = state
  const header = new TextEncoder().encode(
    JSON.stringify({ format: "TrainingState/v1", epochs, bestEpoch, stateBytes: engineState.length })
  )
  const opening = new Uint8Array(4 + header.length)
  new DataView(opening.buffer).setUint32(0, header.length, true)
  opening.set(header, 4)
  return [opening, engineState, bestWeights]
}

/** None if the bytes are not a training state; training then starts from the beginning. */
export const decode = (bytes: Uint8Array): Option.Option<TrainingState> => {
  if (bytes.length < 4) return Option.none()
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + length))
  return Option.map(Schema.decodeUnknownOption(Header)(text), ({ epochs, bestEpoch, stateBytes }) => ({
    epochs,
    bestEpoch,
    engineState: bytes.slice(4 + length, 4 + length + stateBytes),
    bestWeights: bytes.slice(4 + length + stateBytes)
  }))
}
