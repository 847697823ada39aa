/** Shell: the program that runs a command's text. */
import { existsSync } from "node:fs"

/**
 * `bash` stops at the first error, also of a pipe's first part, and at an unset variable; `sh` the same but for pipes. Any
 * other program is named with its arguments; it gets a file with the command behind them.
 */
export type Shell = "bash" | "sh" | ReadonlyArray<string>

const bashFiles = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/opt/homebrew/bin/bash"]
let hasBash: boolean | undefined

/** The program and its arguments; without a choice bash, where the machine has it. It counts in the key, as it is here. */
export const argumentsOf = (shell: Shell | undefined): ReadonlyArray<string> => {
  if (shell !== undefined && typeof shell !== "string") return shell
  hasBash ??= bashFiles.some((file) => existsSync(file))
  return shell === "sh" || (shell === undefined && !hasBash) ? ["sh", "-eu"] : ["bash", "-euo", "pipefail"]
}

const shells = new Set(["sh", "bash", "dash", "ksh", "zsh"])

/** Words that the shell itself knows, before which no program stands; behind some of them one does. */
const builtins = new Set(
  `. : [ [[ ]] alias bg bind break builtin caller case cd command compgen complete continue declare dirs disown do done
  echo elif else enable esac eval exec exit export false fc fg fi for function getopts hash help history if in jobs kill
  let local logout mapfile popd printf pushd pwd read readarray readonly return select set shift shopt source suspend
  test then time times trap true type typeset ulimit umask unalias unset until wait while`.split(/\s+/u)
)
const goesOn = new Set([
  "!",
  "builtin",
  "command",
  "do",
  "elif",
  "else",
  "exec",
  "if",
  "then",
  "time",
  "until",
  "while"
])

/** The text without what holds no command: comments, texts in quotes, documents, redirections. */
const bare = (text: string): string => {
  const substituted: Array<string> = []
  return text
    .replaceAll(/<<-?\s*(['"]?)(\w+)\1([^\n]*)\n[\s\S]*?\n\s*\2(?=\n|$)/gu, "$3")
    .replaceAll("\\\n", " ")
    .replaceAll(/\\./gu, "_")
    .replaceAll(/'[^']*'/gu, "_$_")
    .replaceAll(/\$\(\([^)]*\)\)|\$\{[^}]*\}/gu, "_$_")
    .replaceAll(/"([^"]*)"/gu, (_, inner: string) => {
      for (const [, command = ""] of inner.matchAll(/\$\(([^)]*)\)/gu)) substituted.push(command)
      return "_$_"
    })
    .replaceAll(/(^|\s)#.*$/gmu, "$1")
    .replaceAll(/\d*[<>]{1,2}[&|]?\s*[^\s;|&()]+/gu, " ")
    .concat("\n", substituted.join("\n"))
}

/** The word of a simple command that names its program; undefined if that is the shell's own, or computed. */
const programIn = (command: string): string | undefined => {
  const words = command.trim().split(/\s+/u)
  const first = words.findIndex((word) => !/^\w+\+?=/u.test(word) && !goesOn.has(word))
  const word = words[first] ?? ""
  return builtins.has(word) || !/^[\w./+-]*[A-Za-z][\w./+-]*$/u.test(word) ? undefined : word
}

/**
 * The programs that a command calls, as far as a look at its text tells: the shell, and the first word of each simple command.
 * Not seen are those that a variable names, or that another program starts.
 */
export const programsIn = (shell: ReadonlyArray<string>, text: string): ReadonlyArray<string> => {
  const [program = ""] = shell
  if (!shells.has(program.split("/").at(-1)!)) return [program]
  const own = new Set(Array.from(text.matchAll(/(?:^|[\s;])([\w-]+)\s*\(\)/gu), ([, name]) => name))
  const found = new Set([program])
  let depth = 0
  // in pairs: a simple command, and what ends it
  const parts = bare(text).split(/(\n|;|\||&|\$\(|\(|\)|`|(?<=^|\s)[{}](?=\s|$))/u)
  for (let at = 0; at < parts.length; at += 2) {
    const end = parts[at + 1]
    // the pattern of a case
    const isPattern = end === ")" && depth === 0
    if (end === "(" || end === "$(") depth++
    if (end === ")" && depth > 0) depth--
    const name = isPattern ? undefined : programIn(parts[at]!)
    if (name !== undefined && !own.has(name)) found.add(name)
  }
  return Array.from(found)
}
