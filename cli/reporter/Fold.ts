/** Fold: long lines in the columns of a terminal, which itself would break words. */
import { stripVTControlCharacters } from "node:util"
import * as CliOutput from "effect/cli/CliOutput"

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

/** A line in so many columns, between words; what a line of help says of a flag goes on below its beginning, others `hang` further in. */
export const fold = (line: string, columns: number, hang = 0): string => {
  if (widthOf(line) <= columns) return line
  const [, margin = "", name, gap = "", text = ""] = /^( +)(\S.*?)( {2,})(\S.*)$/u.exec(line) ?? []
  if (name === undefined) {
    const indent = line.length - line.trimStart().length
    return " ".repeat(indent) + wrapped(line.trimStart(), columns, indent + hang)
  }
  const indent = widthOf(`${margin}${name}${gap}`)
  return indent > columns / 2
    ? `${margin}${name}\n${" ".repeat(nextLine)}${wrapped(text, columns, nextLine)}`
    : `${margin}${name}${gap}${wrapped(text, columns, indent)}`
}

/** Text in the columns of a terminal; where the reader is none, one line stays one. */
export const folded = (text: string, columns: number | undefined, hang = 0): string =>
  columns === undefined
    ? text
    : text
        .split("\n")
        .map((line) => fold(line, columns, hang))
        .join("\n")
