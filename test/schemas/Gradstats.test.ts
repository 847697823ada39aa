import { Gradstats, GradstatsParams } from "../../schemas/Gradstats.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("GradstatsParams", GradstatsParams)
schemaLaws("Gradstats", Gradstats)
