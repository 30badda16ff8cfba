/** The form of a task's parameters, made of its JSON Schema. */
import { useId } from "react";
import { Icon } from "../ui/Icon";
import { type Field, type NumberField, type Schema, capital, fieldsOf, hintOf, said, strideOf, valueOf } from "./fields";

interface Props {
  schema: Schema;
  inputs: Record<string, unknown>;
  troubles: Record<string, string>;
  onInput: (name: string, input: unknown) => void;
}

export function ParameterForm({ schema, inputs, troubles, onInput }: Props) {
  const fields = fieldsOf(schema);
  if (fields.length === 0) return null;
  return (
    <div className="params">
      {fields.map((field) => (
        <Parameter key={field.name} field={field} input={inputs[field.name]} trouble={troubles[field.name] ?? ""} onInput={(input) => onInput(field.name, input)} />
      ))}
    </div>
  );
}

interface ParameterProps<Kind extends Field = Field> {
  field: Kind;
  input: unknown;
  trouble: string;
  onInput: (input: unknown) => void;
}

function Parameter({ field, input, trouble, onInput }: ParameterProps) {
  const id = useId();
  if (field.kind === "fixed") return <Fixed title={field.title} value={said(field, input)} description={field.description} />;
  const hint = [field.description, hintOf(field)].filter(Boolean).join(" ");
  const grouped = field.kind === "choice" && field.options.length <= FEW;
  const label = grouped ? { role: "radiogroup", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-hint` } : {};
  return (
    <div className="param" {...label}>
      {grouped ? (
        <span className="param-title" id={`${id}-title`}>
          {field.title}
        </span>
      ) : (
        <label className="param-title" htmlFor={id}>
          {field.title}
        </label>
      )}
      <Control id={id} field={field} input={input} trouble={trouble} onInput={onInput} />
      <p className="param-hint" id={`${id}-hint`}>
        {trouble !== "" && (
          <strong className="bad" role="alert">
            {trouble}{" "}
          </strong>
        )}
        {hint}
      </p>
    </div>
  );
}

/** Nothing to choose: said in one line. */
function Fixed({ title, value, description }: { title: string; value: string; description: string }) {
  return (
    <p className="param-hint">
      <span className="param-title">
        {title} {value}
      </span>
      {description !== "" && ` · ${description}`}
    </p>
  );
}

/** More than so many are a list that opens. */
const FEW = 4;

function Control({ id, field, input, trouble, onInput }: ParameterProps<Exclude<Field, { kind: "fixed" }>> & { id: string }) {
  const shared = { id, "aria-describedby": `${id}-hint`, "aria-invalid": trouble !== "" };
  if (field.kind === "number") return <NumberControl id={id} field={field} input={input} trouble={trouble} onInput={onInput} />;
  if (field.kind === "switch") return <input {...shared} type="checkbox" className="param-check" checked={input === true} onChange={(event) => onInput(event.target.checked)} />;
  if (field.kind === "text") {
    const limits = field.longest === null ? {} : { maxLength: field.longest };
    return <input {...shared} {...limits} value={String(input ?? "")} placeholder={capital(field.absent ?? "")} onChange={(event) => onInput(event.target.value)} />;
  }
  const options = field.absent === null ? field.options : [null, ...field.options];
  if (field.options.length > FEW) {
    return (
      <select {...shared} value={options.indexOf(input)} onChange={(event) => onInput(options[Number(event.target.value)])}>
        {options.map((option, i) => (
          <option key={i} value={i}>
            {capital(said(field, option))}
          </option>
        ))}
      </select>
    );
  }
  return (
    <div className="segments">
      {options.map((option, i) => (
        <label key={i}>
          <input type="radio" name={id} checked={option === input} onChange={() => onInput(option)} />
          <span>{capital(said(field, option))}</span>
        </label>
      ))}
    </div>
  );
}

/** A box to write in; where the number has ends, a slider; where there may be none, a way back to none. */
function NumberControl({ id, field, input, trouble, onInput }: ParameterProps<NumberField> & { id: string }) {
  const text = String(input ?? "");
  const stride = strideOf(field);
  const found = valueOf(field, text);
  const at = "value" in found && typeof found.value === "number" ? found.value : null;
  const none = field.absent !== null && text === "";
  return (
    <div className="param-number">
      <input
        id={id}
        className={none ? "none" : ""}
        inputMode={field.whole ? "numeric" : "decimal"}
        autoComplete="off"
        value={text}
        placeholder={capital(field.absent ?? "")}
        aria-describedby={`${id}-hint`}
        aria-invalid={trouble !== ""}
        onChange={(event) => onInput(event.target.value)}
      />
      {stride !== null && (
        <input
          type="range"
          className={at === null ? "none" : ""}
          min={field.least!}
          max={field.most!}
          step={stride}
          value={at ?? field.least!}
          aria-label={`${field.title}, slider`}
          aria-valuetext={at === null ? (field.absent ?? "no number") : String(at)}
          onChange={(event) => onInput(event.target.value)}
        />
      )}
      {field.absent !== null && !none && (
        <button type="button" className="icon-button small" aria-label={`${field.title}: ${field.absent}`} title={capital(field.absent)} onClick={() => onInput("")}>
          <Icon name="close" size={14} />
        </button>
      )}
    </div>
  );
}
