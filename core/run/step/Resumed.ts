/**
 * Resumed: how long a step has worked before it was interrupted, as far as its checkpoint has kept the work. A step's time is
 * that of all its pieces, since it is what the step takes without an interruption.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Disk, orAbsent } from "../../../cache/store/Disk.ts"

const Piece = Schema.fromJsonString(Schema.Struct({ earlierMs: Schema.Finite, beganMs: Schema.Finite }))

/** Beside the checkpoint: when the work on it was taken up, and how long it had lasted by then. */
const noteOf = (checkpoint: string): string => `${checkpoint}.time`

/** For how long a step has worked on its checkpoint; undefined if it has none. */
export const earlierMs = Effect.fnUntraced(function* (checkpoint: string) {
  const disk = yield* Disk
  const stat = yield* orAbsent(disk.lstat(checkpoint))
  if (Option.isNone(stat)) return undefined
  const note = Option.flatMap(yield* orAbsent(disk.readText(noteOf(checkpoint))), Schema.decodeUnknownOption(Piece))
  // what was done after the last save is done again
  return Option.match(note, {
    onNone: () => 0,
    onSome: ({ earlierMs, beganMs }) => earlierMs + Math.max(0, Math.round(stat.value.mtimeMs - beganMs))
  })
})

/** Notes that work on the checkpoint begins. */
export const begin = Effect.fnUntraced(function* (checkpoint: string, earlierMs: number, beganMs: number) {
  const disk = yield* Disk
  yield* disk.remove(noteOf(checkpoint))
  yield* disk.create(noteOf(checkpoint), JSON.stringify({ earlierMs, beganMs }))
})

/** Forgets the time of a step that has saved nothing. */
export const end = Effect.fnUntraced(function* (checkpoint: string) {
  const disk = yield* Disk
  if (!(yield* disk.exists(checkpoint))) yield* disk.remove(noteOf(checkpoint))
})
