/** Mask: the values of a step's secrets, made unreadable in what the step prints and says. */

const mask = "***"

/** What must not be seen: the values of the variables `names`, and the lines of those that have several. */
const hiddenOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const values = names.flatMap((name) => process.env[name] ?? [])
  const lines = values.flatMap((value) => value.split(/\r?\n/u)).filter((line) => line.trim().length > 3)
  return Array.from(new Set([...values, ...lines])).filter((value) => value !== "")
}

type Span = readonly [from: number, to: number]

/** Where the texts stand, those that overlap as one. */
const spansOf = (text: string, hidden: ReadonlyArray<string>): ReadonlyArray<Span> => {
  const found: Array<Span> = []
  for (const each of hidden) {
    for (let at = text.indexOf(each); at >= 0; at = text.indexOf(each, at + 1)) found.push([at, at + each.length])
  }
  const joined: Array<Span> = []
  for (const [from, to] of found.sort(([a], [b]) => a - b)) {
    const last = joined.at(-1)
    if (last !== undefined && from < last[1]) joined[joined.length - 1] = [last[0], Math.max(last[1], to)]
    else joined.push([from, to])
  }
  return joined
}

const withoutSpans = (text: string, spans: ReadonlyArray<Span>): string => {
  const starts = [0, ...spans.map(([, to]) => to)]
  return starts.map((start, at) => text.slice(start, spans[at]?.[0])).join(mask)
}

/** A text without the values of the variables `names`. */
export const inText = (names: ReadonlyArray<string>, text: string): string => {
  const hidden = hiddenOf(names)
  return hidden.length === 0 ? text : withoutSpans(text, spansOf(text, hidden))
}

/** How many characters at the end of `text` may be the begin of one of the texts. */
const begunAtEnd = (text: string, hidden: ReadonlyArray<string>): number => {
  const longest = Math.max(...hidden.map((each) => each.length)) - 1
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length)
    if (hidden.some((each) => each.length > length && each.startsWith(end))) return length
  }
  return 0
}

/** So much is held back at most, of a text that is one secret after the other. */
const mostHeld = 2 ** 20

/**
 * Takes the pieces of a stream, and gives what may be written of it by then; the last call gives the rest. A value that
 * comes in two pieces is found too, as is one that overlaps another. Bytes stay as they are, whatever their encoding.
 */
export const inStream = (names: ReadonlyArray<string>): ((piece: Buffer | undefined) => Buffer) => {
  const hidden = hiddenOf(names).map((each) => Buffer.from(each).toString("latin1"))
  let held = ""
  return (piece) => {
    const text = held + (piece?.toString("latin1") ?? "")
    if (hidden.length === 0) return Buffer.from(text, "latin1")
    const spans = spansOf(text, hidden)
    const begun = text.length - (piece === undefined ? 0 : begunAtEnd(text, hidden))
    // what is begun may lie in a value that ends behind it
    const around = spans.find(([from, to]) => from < begun && begun < to)
    const end = around === undefined ? begun : around[text.length > mostHeld ? 1 : 0]
    held = text.slice(end)
    const whole = spans.filter(([, to]) => to <= end)
    return Buffer.from(withoutSpans(text.slice(0, end), whole), "latin1")
  }
}
