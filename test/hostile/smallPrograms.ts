import * as path from "node:path"
import * as fc from "fast-check"
import type { Probe } from "../fixtures/programs/scripts/probes.ts"

/** A folder that is a home on one machine alone, and a project in it; they hold `notes.txt` and more. */
export interface Somewhere {
  readonly home: string
  readonly project: string
}

/** Where programs look. A module's code lies at its own path, which it may see; and packages beside it. */
const placesOf = ({ home, project }: Somewhere, isCommand: boolean): ReadonlyArray<string> =>
  [
    `~ ~/notes.txt ~/.env ~/.config/tool.json ${home}/notes.txt ${home}/.config ${project}/notes.txt ${project}/mine/x.txt`,
    ".. ../notes.txt ../../notes.txt ../../../../../notes.txt inputs/src/../../../notes.txt . inputs inputs/src/a.txt",
    "inputs/src/sub / /tmp /home /root /root/.bashrc /var /mnt /run /srv /usr/src /dev/shm /etc/hostname /etc/machine-id",
    "/etc/hosts /etc/resolv.conf /proc/1/environ /proc/1/cmdline /proc/1/cwd /proc/self/cwd/../notes.txt",
    `/proc/1/root${home}/notes.txt /proc/self/root${home}/notes.txt /proc/sys/kernel/hostname`,
    isCommand
      ? `${home} ${path.dirname(home)} ${project} ${project}/node_modules/uncounted/index.js /proc/2/cmdline /proc/self/environ`
      : ""
  ].flatMap((each) => each.split(" ").filter((place) => place !== ""))
const names = ["notes.txt", ".env", "mine/x.txt"]
const variables = "HOME USER LOGNAME PWD OLDPWD OP_PIPE_TEST_STRAY TMPDIR LC_ALL TZ NODE_OPTIONS".split(" ")
const ofPlaces = ["read", "list", "real", "there", "target", "link", "worker", "program"]

const probeOf = (places: ReadonlyArray<string>): fc.Arbitrary<Probe> => {
  const written = places.filter((each) => each.endsWith("notes.txt"))
  const asked = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom(...ofPlaces), fc.constantFrom(...places)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("write"), fc.constantFrom(...written)) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom("above", "aboveCode"), fc.constantFrom(...names)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("variable"), fc.constantFrom(...variables)) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom("environment", "machine"), fc.constant("")) }
  )
  return fc
    .tuple(asked, fc.integer({ min: 0, max: 11 }))
    .map(([[kind, of], chance]) => ({ kind, of, guarded: chance > 0 }))
}

export type Runner = "sh" | "python3" | "node" | "confined" | "spawning"
export interface Program {
  readonly by: Runner
  readonly probes: ReadonlyArray<Probe>
}

const runners = ["sh", "python3", "node", "confined", "spawning"] as const
const by = fc.constantFrom<Runner>(...runners)

const isCommand = (by: Runner): boolean => by !== "confined" && by !== "spawning"

/** Programs that look about for what lies `here`. */
export const programs = (here: Somewhere): fc.Arbitrary<Program> =>
  by.chain((by) => {
    const probe = probeOf(placesOf(here, isCommand(by)))
    return fc.record({ by: fc.constant(by), probes: fc.array(probe, { minLength: 1, maxLength: 6 }) })
  })

/** Programs that read all that there may be. */
export const curious = (here: Somewhere): ReadonlyArray<Program> =>
  runners.map((by) => {
    const read = placesOf(here, isCommand(by)).map((of) => ({
      kind: by === "spawning" ? "program" : "read",
      of,
      guarded: true
    }))
    const others = ["environment", "machine"].map((kind) => ({ kind, of: "", guarded: true }))
    return { by, probes: [...read, ...others] }
  })

/** A probe as a line for the shell. */
const shellText = ({ kind, of, guarded }: Probe): string => {
  const at = of.startsWith("~") ? `"$HOME"${of.slice(1)}` : of
  const look: Record<string, string> = {
    read: `cat ${at} | tr '\\0' ' '`,
    list: `ls -A ${at}`,
    real: `readlink -e ${at}`,
    there: `ls -d ${at}`,
    target: `readlink ${at}`,
    link: `{ ln -sfn "$(realpath -m ${at})" "$TMPDIR/l" && { cat "$TMPDIR/l" || ls "$TMPDIR/l"/; }; }`,
    worker: `( exec 3< ${at}; cat <&3 )`,
    program: `find ${at} -maxdepth 1 -not -path '*/proc/*' | sort`,
    write: `{ echo mine > ${at} && cat ${at}; }`,
    above: `{ d=$PWD; while [ "$d" != / ]; do cat "$d/${of}" || true; d=$(dirname "$d"); done; }`,
    aboveCode: `cat "$(dirname "$script")/${of}"`,
    variable: `{ eval "echo \\"\\\${${of}-none}\\""; }`,
    environment: "env | sort",
    machine: `{ hostname; uname -n; echo ~; pwd; umask; ulimit -n; }`
  }
  return `{ echo '${kind}'; ${look[kind]}; } ${guarded ? "|| echo refused" : ""}`
}

const pythonText = ({ kind, of, guarded }: Probe): string => {
  const at = `os.path.expanduser(${JSON.stringify(of)})`
  const look: Record<string, string> = {
    read: `open(${at}).read()`,
    list: `sorted(os.listdir(${at}))`,
    real: `os.path.realpath(${at}, strict=True)`,
    there: `os.path.exists(${at})`,
    target: `os.readlink(${at})`,
    link: `(os.symlink(os.path.abspath(${at}), f"{os.environ['TMPDIR']}/{n}"), os.listdir(f"{os.environ['TMPDIR']}/{n}"))`,
    worker: `sorted(str(p) for p in pathlib.Path(${at}).glob("*"))`,
    program: `subprocess.run(["cat", ${at}], capture_output=True, check=True).stdout`,
    write: `(open(${at}, "w").write("mine"), open(${at}).read())`,
    above: `[(p / ${JSON.stringify(of)}).read_text() for p in pathlib.Path.cwd().parents if (p / ${JSON.stringify(of)}).exists()]`,
    aboveCode: `sorted(sys.path)`,
    variable: `os.environ.get(${JSON.stringify(of)})`,
    environment: "sorted(os.environ.items())",
    machine: `(socket.gethostname(), platform.node(), os.path.expanduser("~"), os.getcwd(), socket.getfqdn())`
  }
  const line = `print("${kind}", ${look[kind]}, file=out)`
  return guarded ? `try: ${line}\nexcept Exception: print("refused", file=out)` : line
}

const pythonProgram = (probes: ReadonlyArray<Probe>): string =>
  [
    "import os, pathlib, platform, socket, subprocess, sys",
    'out = open(os.environ["text"], "w")',
    ...probes.map((each, n) => `n = ${n}\n${pythonText(each)}`)
  ].join("\n")

/** The command that runs a program; `node` takes its script from a folder that is the input `scripts`. */
export const commandOf = ({ by, probes }: Program): string => {
  switch (by) {
    case "python3":
      return `/usr/bin/python3 - <<'END'\n${pythonProgram(probes)}\nEND`
    case "node":
      return `node "$scripts/command.ts" '${JSON.stringify(probes)}' "$text"`
    default:
      return `{\n${probes.map(shellText).join("\n")}\n} > "$text"`
  }
}
