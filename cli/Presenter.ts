/** Presenter: what the command line's library has to say, in our words and in the columns that there are. */
import { stripVTControlCharacters } from "node:util"
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { printError, printLine, wantsColour } from "./Console.ts"

/** What the library says of a value that does not fit, in the order of all other errors: expected, found. */
const inOurWords = (message: string): string =>
  message
    .replace(
      /^Invalid value for flag (\S+): ("[\s\S]*?")\. Expected:? (?:Schema validation failed: Expected )?/u,
      (_, flag: string, found: string) => `${flag} ${found.slice(1, -1)}: expected `
    )
    .replace("a string representing a finite number", "a number")
    .replace("a string representing an integer", "a whole number")

/** Wide enough for any line of help, and no wider than is read with ease. */
const mostColumns = 100
/** Where the text of an entry goes on, if what it describes leaves too little room beside it. */
const nextLine = 6

const widthOf = (text: string): number => CliOutput.displayWidth(stripVTControlCharacters(text))

/** Words in lines of at most `columns`, of which `indent` are taken on each; the first has them already. */
const wrapped = (text: string, columns: number, indent: number): string => {
  let at = indent
  return text
    .split(" ")
    .map((word, index) => {
      const width = widthOf(word)
      const isNext = index > 0 && at + 1 + width > columns
      at = isNext ? indent + width : at + width + (index > 0 ? 1 : 0)
      return index === 0 ? word : isNext ? `\n${" ".repeat(indent)}${word}` : ` ${word}`
    })
    .join("")
}

/** A line of help in as many columns as the terminal has: what a flag does goes on below its beginning. */
export const fold = (line: string, columns: number): string => {
  if (widthOf(line) <= columns) return line
  const [, margin = "", name, gap = "", text = ""] = /^( +)(\S.*?)( {2,})(\S.*)$/u.exec(line) ?? []
  if (name === undefined) {
    const indent = line.length - line.trimStart().length
    return " ".repeat(indent) + wrapped(line.trimStart(), columns, indent)
  }
  const indent = widthOf(`${margin}${name}${gap}`)
  return indent > columns / 2
    ? `${margin}${name}\n${" ".repeat(nextLine)}${wrapped(text, columns, nextLine)}`
    : `${margin}${name}${gap}${wrapped(text, columns, indent)}`
}

/** Where the reader is no terminal, one line stays one. */
const folded = (text: string): string => {
  const { columns } = process.stdout
  if (columns === undefined) return text
  return text
    .split("\n")
    .map((line) => fold(line, Math.min(columns, mostColumns)))
    .join("\n")
}

/** The library asks NO_COLOR and whether it is a terminal, but not of what kind. */
const plain = (text: string): string => (wantsColour(process.stdout) ? text : stripVTControlCharacters(text))

/** Wrong usage goes to standard error, in a line or two; help goes to standard output. */
export const layer = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function* () {
          for (const error of event.errors) yield* printError(`op-pipe: ${inOurWords(error.message)}`)
          yield* printError("`op-pipe --help` lists the commands, `op-pipe COMMAND --help` the flags of one.")
        })
      : event._tag === "Help"
        ? Effect.flatMap(CliOutput.Formatter, ({ formatHelpDoc }) =>
            printLine(folded(plain(formatHelpDoc(event.helpDoc))))
          )
        : CliOutput.defaultPresenter.present(event)
})
