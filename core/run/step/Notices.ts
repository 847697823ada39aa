/** Notices: what is told once, although it is true of many steps: of the branches of one, or of all settings of a sweep. */
import type { RunEvents } from "../RunEvents.ts"

/** Publishes a notice, unless it was published already. */
export type Notices = (events: RunEvents["Service"], text: string) => void

export const make = (): Notices => {
  const told = new Set<string>()
  return ({ publish }, text) => {
    if (told.has(text)) return
    told.add(text)
    publish({ type: "Notice", text })
  }
}
