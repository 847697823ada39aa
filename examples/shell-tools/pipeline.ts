import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "op-pipe"

const Log = Artifact.file({ tag: "Log/v1", path: "access.log" })
const Pages = Artifact.text({ tag: "Pages/v1", path: "pages.txt" })
const Archive = Artifact.file({ tag: "Archive/v1", path: "pages.tar.gz" })

/** Pages by how often they were asked for, without those that were not there. */
const pages = Stage.command({
  name: "pages",
  params: Schema.Struct({ most: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))) }),
  // a pipe whose first part fails is a failed step
  shell: "bash",
  command: `set -o pipefail; awk '$3 != 404 { print $2 }' "$log" | sort | uniq -c | sort -k1,1nr -k2 | head -n "$most" > "$pages"`,
  // another version of it makes another result
  programs: ["awk"],
  inputs: { log: Log },
  output: { pages: Pages }
})

const archive = Stage.command({
  name: "archive",
  command:
    'tar --sort=name --mtime=@0 --owner=0 --group=0 -C "$(dirname "$pages")" -czf "$archive" "$(basename "$pages")"',
  inputs: { pages: Pages },
  output: { archive: Archive }
})

const log = Pipeline.source({ name: "log", artifact: Log, path: "access.log" })
const counted = Pipeline.step(pages, { inputs: { log: log.port } })

export default Pipeline.make({
  name: "shell-tools",
  steps: [Pipeline.step(archive, { inputs: { pages: counted.out.pages } })]
})
