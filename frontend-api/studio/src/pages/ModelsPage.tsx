/** The AI models behind the tools: what each is good for, how dear it is, whose it is, and which version works now. */
import type { Me, Model, ModelVersion, Task } from "@atelier/sdk";
import { listModels, listTasks } from "../app/api";
import { useQuery } from "../app/query";
import { Link } from "../app/router";
import { seconds } from "../app/words";
import { Icon } from "../ui/Icon";
import { Spinner, Trouble } from "../ui/parts";
import { Shell } from "./Shell";

export function ModelsPage({ me }: { me: Me }) {
  const models = useQuery("models", listModels);
  const tasks = useQuery("tasks", listTasks);
  const titles = new Map(tasks.data?.items.map((task: Task) => [task.name as string, task.title]));
  return (
    <Shell me={me}>
      <nav className="crumbs" aria-label="Where you are">
        <Link href="/">Projects</Link>
      </nav>
      <div className="narrow">
        <header className="page-head">
          <div>
            <h1>AI models</h1>
            <p className="quiet">What works behind the tools on your boards. Who runs this studio chooses the versions.</p>
          </div>
        </header>
        {models.error !== null && models.data === null && <Trouble error={models.error} onRetry={models.reload} />}
        {models.data === null && models.error === null && <Spinner label="Reading the models" />}
        {models.data?.items.map((model) => <ModelCard key={model.name} model={model} titles={titles} />)}
      </div>
    </Shell>
  );
}

function ModelCard({ model, titles }: { model: Model; titles: Map<string, string> }) {
  const [newest] = model.versions;
  const used = model.tasks.map((task) => titles.get(task) ?? task).join(", ");
  return (
    <section className="model" aria-label={used || model.name}>
      <header className="model-head">
        <span className="row-icon">
          <Icon name="model" />
        </span>
        <div>
          <h2>{used || model.name}</h2>
          <p className="quiet">
            {model.name} · {newest?.licence || "no licence given"} · about {seconds(model.s_per_megapixel)} of compute for a megapixel
          </p>
        </div>
      </header>
      {newest !== undefined && newest.card !== "" && <p>{newest.card}</p>}
      <ul className="rows">
        {model.versions.map((version) => (
          <VersionRow key={version.version} version={version} />
        ))}
      </ul>
    </section>
  );
}

function VersionRow({ version }: { version: ModelVersion }) {
  return (
    <li className="row">
      <div className="row-what">
        <strong>
          Version {version.version}
          <Share version={version} />
        </strong>
        <span className="quiet">
          {version.figures !== "" && `${version.figures} `}
          {loaded(version)}, up to {(version.memory_mb / 1000).toFixed(1)} GB of memory.
        </span>
      </div>
    </li>
  );
}

function Share({ version }: { version: ModelVersion }) {
  if (version.is_tried) return <span className="tag">being tried on {version.percent} % of jobs</span>;
  if (version.percent > 0) return <span className="tag good">{version.percent === 100 ? "in use" : `in use for ${version.percent} %`}</span>;
  return <span className="tag">not in use</span>;
}

function loaded(version: ModelVersion): string {
  if (version.is_loaded === null) return "The inference server is away";
  return version.is_loaded ? "Loaded" : "Loaded when a job needs it";
}
