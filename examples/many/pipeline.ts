import { Artifact, Pipeline, Stage } from "op-pipe"

const Genome = Artifact.file({ tag: "Genome/v1", path: "genome.txt" })
const Samples = Artifact.folder({ tag: "Samples/v1", path: "." })
const Reads = Artifact.file({ tag: "Reads/v1", path: "sample.reads" })
const Hits = Artifact.text({ tag: "Hits/v1", path: "hits.txt" })
const Calls = Artifact.text({ tag: "Calls/v1", path: "calls.txt" })
const Chart = Artifact.text({ tag: "Chart/v1", path: "chart.txt" })

const map = Stage.command({
  name: "map",
  command: `awk 'NR == FNR { genome = genome $0; next } { print index(genome, $0), $0 }' "$genome" "$reads" > "$hits"`,
  inputs: { genome: Genome, reads: Reads },
  output: { hits: Hits }
})
const sort = Stage.command({
  name: "sort",
  command: 'sort -n "$hits" > "$sorted"',
  inputs: { hits: Hits },
  output: { sorted: Hits }
})
const call = Stage.command({
  name: "call",
  command: `cat "$samples"/*/hits.txt | awk '{ deep[int($1 / 40)]++ } END { for (at = 0; at < 6; at++) print at * 40, deep[at] + 0 }' > "$calls"`,
  inputs: { samples: Artifact.many(Hits) },
  output: { calls: Calls }
})
const chart = Stage.command({
  name: "chart",
  command: `awk '{ bar = ""; for (each = 0; each < $2; each++) bar = bar "#"; printf "%4d %s\\n", $1, bar }' "$calls" > "$chart"`,
  inputs: { calls: Calls },
  output: { chart: Chart }
})

const genome = Pipeline.source({ name: "genome", artifact: Genome, path: "genome.txt" }).port
const samples = Pipeline.source({ name: "samples", artifact: Samples, path: "samples" })
const reads = Pipeline.entries(samples.port, Reads, { match: "*.reads" })
const mapped = Pipeline.each(map, { over: { reads }, inputs: { genome } })
const sorted = Pipeline.each(sort, { over: { hits: mapped.out.hits } })
const called = Pipeline.step(call, { inputs: { samples: sorted.out.sorted } })

export default Pipeline.make({ name: "many", steps: [Pipeline.step(chart, { inputs: { calls: called.out.calls } })] })
