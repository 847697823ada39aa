/**
 * Shown: text of unknown origin (names of files, messages, what is in a record) for people to read.
 *
 * A terminal takes control characters as orders: to rename itself, to write to the clipboard, to erase what stands there;
 * and characters that turn the direction of a line have it read otherwise. They are written as JSON escapes them, so that
 * JSON stays what it was.
 */

/** Control characters but line ends and tabs, and those that turn the direction; not colours, which are ours. */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /(?!\u001b\[\d{1,2}m)[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/gu

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A text that may hold several lines and colours. */
export const shown = (text: string): string => text.replace(unsafe, escape)

/** A name within a line. */
export const shownName = (name: string): string =>
  name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) =>
    character === "\n" ? "\\n" : character === "\t" ? "\\t" : escape(character)
  )

/** The first `most` of many, in a line: `a, b, c and 4 more`. */
export const few = (texts: ReadonlyArray<string>, most = 3, between = ", "): string =>
  texts.length <= most ? texts.join(between) : `${texts.slice(0, most).join(between)} and ${texts.length - most} more`
