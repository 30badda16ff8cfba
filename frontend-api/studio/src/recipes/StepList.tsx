/** The steps of a recipe as cards, in their order: choosing, setting, moving, removing, adding. */
import type { Task } from "@atelier/sdk";
import { useEffect, useRef, useState } from "react";
import { Icon } from "../ui/Icon";
import { iconOfTask, titleOfTask } from "../ui/tasks";
import { type DraftStep, type StepTroubles, type Troubles, isKnown, moved, newStep, schemaOf } from "./draft";
import { ParameterForm } from "./ParameterForm";

interface Props {
  steps: readonly DraftStep[];
  tasks: readonly Task[];
  troubles: Troubles;
  onSteps: (steps: readonly DraftStep[]) => void;
  onInput: (key: number, name: string, input: unknown) => void;
}

export function StepList({ steps, tasks, troubles, onSteps, onInput }: Props) {
  const [told, setTold] = useState("");
  const focus = useFocusAfter();
  const move = (step: DraftStep, by: -1 | 1) => {
    const next = moved(steps, step.key, by);
    const place = next.indexOf(step);
    onSteps(next);
    setTold(`${titleOfTask(step.task, tasks)} is step ${place + 1} now.`);
    const [way, other] = by < 0 ? ["up", "down"] : ["down", "up"];
    focus(`step-${step.key}-${way}`, `step-${step.key}-${other}`);
  };
  const remove = (step: DraftStep) => {
    const place = steps.indexOf(step);
    const neighbour = steps[place + 1] ?? steps[place - 1];
    onSteps(steps.filter((other) => other !== step));
    setTold(`${titleOfTask(step.task, tasks)} is removed.`);
    focus(neighbour === undefined ? "add-step" : `step-${neighbour.key}-remove`);
  };
  const add = (task: string) => {
    const step = newStep(task, tasks);
    onSteps([...steps, step]);
    setTold(`${titleOfTask(task, tasks)} is step ${steps.length + 1}.`);
    focus(`step-${step.key}-task`);
  };
  return (
    <>
      <ol className="steps" aria-label="Steps">
        {steps.map((step, i) => (
          <StepCard
            key={step.key}
            step={step}
            place={i + 1}
            last={i === steps.length - 1}
            tasks={tasks}
            troubles={troubles.of.get(step.key) ?? FINE}
            onTask={(task) => onSteps(steps.map((other) => (other === step ? { ...newStep(task, tasks), key: step.key } : other)))}
            onInput={(name, input) => onInput(step.key, name, input)}
            onMove={(by) => move(step, by)}
            onRemove={() => remove(step)}
          />
        ))}
      </ol>
      <AddStep tasks={tasks} label={steps.length === 0 ? "Choose the first step" : "Add a step"} trouble={troubles.steps} onAdd={add} />
      <p className="visually-hidden" role="status">
        {told}
      </p>
    </>
  );
}

function AddStep({ tasks, label, trouble, onAdd }: { tasks: readonly Task[]; label: string; trouble: string; onAdd: (task: string) => void }) {
  return (
    <div className="step" role="group" aria-label={label}>
      <span className="step-number next" aria-hidden="true">
        <Icon name="plus" size={14} />
      </span>
      <div className="add-step">
        <span>{label}</span>
        <div className="add-step-tasks">
          {tasks.map(({ name, title, description }, i) => (
            <button key={name} id={i === 0 ? "add-step" : undefined} type="button" className="button small" title={description} aria-label={`Add ${title}`} onClick={() => onAdd(name)}>
              <Icon name={iconOfTask(name)} size={15} />
              {title}
            </button>
          ))}
        </div>
        {trouble !== "" && (
          <p className="bad" role="alert">
            {trouble}
          </p>
        )}
      </div>
    </div>
  );
}

const FINE: StepTroubles = { step: "", fields: {} };

/** The keyboard stays with the step that it moves: the first of these elements that can be used gets it. */
function useFocusAfter(): (...ids: string[]) => void {
  const wanted = useRef<string[]>([]);
  useEffect(() => {
    const found = wanted.current.map((id) => document.getElementById(id)).find((element) => element !== null && !element.matches(":disabled"));
    wanted.current = [];
    found?.focus();
  });
  return (...ids) => {
    wanted.current = ids;
  };
}

interface CardProps {
  step: DraftStep;
  place: number;
  last: boolean;
  tasks: readonly Task[];
  troubles: StepTroubles;
  onTask: (task: string) => void;
  onInput: (name: string, input: unknown) => void;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
}

function StepCard({ step, place, last, tasks, troubles, onTask, onInput, onMove, onRemove }: CardProps) {
  const { key, task, inputs } = step;
  const title = titleOfTask(task, tasks);
  return (
    <li className="step" aria-label={`Step ${place}: ${title}`}>
      <span className="step-number" aria-hidden="true">
        {place}
      </span>
      <div className={troubles.step === "" ? "step-card" : "step-card wrong"}>
        <header className="step-head">
          <Icon name={iconOfTask(task)} />
          <select id={`step-${key}-task`} aria-label={`What step ${place} does`} value={task} onChange={(event) => onTask(event.target.value)}>
            {!isKnown(task, tasks) && <option value={task}>{task}</option>}
            {tasks.map(({ name, title: named }) => (
              <option key={name} value={name}>
                {named}
              </option>
            ))}
          </select>
          <div className="spacer" />
          <button type="button" id={`step-${key}-up`} className="icon-button" aria-label={`Move step ${place} up`} title="Move up" disabled={place === 1} onClick={() => onMove(-1)}>
            <Icon name="up" />
          </button>
          <button type="button" id={`step-${key}-down`} className="icon-button" aria-label={`Move step ${place} down`} title="Move down" disabled={last} onClick={() => onMove(1)}>
            <Icon name="down" />
          </button>
          <button type="button" id={`step-${key}-remove`} className="icon-button" aria-label={`Remove step ${place}`} title="Remove" onClick={onRemove}>
            <Icon name="trash" />
          </button>
        </header>
        <p className="quiet">{tasks.find(({ name }) => name === task)?.description}</p>
        {troubles.step !== "" && (
          <p className="bad" role="alert">
            {troubles.step}
          </p>
        )}
        <ParameterForm schema={schemaOf(task, tasks)} inputs={inputs} troubles={troubles.fields} onInput={onInput} />
      </div>
    </li>
  );
}
