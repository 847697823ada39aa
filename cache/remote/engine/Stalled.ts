/**
 * Stalled: finds transfers that do not get on: none of their bytes moved for ten seconds, or next to none of any transfer.
 *
 * Time is counted in ticks of a timer and not by the clock: while this process computes, bytes lie unread, and no server is at
 * fault.
 */
import type { Socket } from "node:net"

const tickMs = 500
const mostTicks = 20
/** A link that moves less in that time is of no use, however many share it. */
const leastBytes = 64 * 1024

interface Watched {
  readonly bytes: () => number
  readonly onStalled: () => void
  /** How many bytes it had moved at the last tick. */
  seen: number
  idleTicks: number
  ticks: number
}

export class Stalled {
  private readonly watched = new Set<Watched>()
  private timer: NodeJS.Timeout | undefined
  private ticks = 0
  private moved = 0

  /** Calls `onStalled` once if the transfer on `socket` does not get on; ends with the function that it returns. */
  watch(socket: Socket, onStalled: () => void): () => void {
    const bytes = (): number => socket.bytesRead + socket.bytesWritten
    const one: Watched = { bytes, onStalled, seen: bytes(), idleTicks: 0, ticks: 0 }
    this.watched.add(one)
    this.timer ??= setInterval(() => this.tick(), tickMs).unref()
    return () => {
      this.moved += one.bytes() - one.seen
      this.watched.delete(one)
      if (this.watched.size > 0) return
      clearInterval(this.timer)
      this.timer = undefined
      this.ticks = 0
      this.moved = 0
    }
  }

  private tick(): void {
    this.ticks++
    for (const one of this.watched) {
      const bytes = one.bytes()
      this.moved += bytes - one.seen
      one.idleTicks = bytes === one.seen ? one.idleTicks + 1 : 0
      one.seen = bytes
      one.ticks++
    }
    const isSlow = this.ticks >= mostTicks && this.moved < leastBytes
    for (const one of this.watched) {
      if (one.idleTicks < mostTicks && !(isSlow && one.ticks >= mostTicks)) continue
      this.watched.delete(one)
      one.onStalled()
    }
    if (this.ticks < mostTicks) return
    this.ticks = 0
    this.moved = 0
  }
}
