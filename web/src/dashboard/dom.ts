/** The few things these pages do with the document. */

type Child = Node | string | undefined | false;
type Attributes = Record<string, string | number | boolean | undefined>;

/** An element. Attributes that are `false` or absent are left out; `true` stands for an empty value. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** Writes a text, unless it stands there already: what is not touched is not laid out anew. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute, unless it has the value already. */
export function mark(element: Element, attribute: string, value: string): void {
  if (element.getAttribute(attribute) !== value) element.setAttribute(attribute, value);
}

/** Puts the children into this order, moving only those that are elsewhere; others are taken out. */
export function arrange(parent: Element, children: readonly Element[]): void {
  let next = parent.firstElementChild;
  for (const child of children) {
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  while (next) {
    const surplus = next;
    next = next.nextElementSibling;
    surplus.remove();
  }
}

/**
 * Elements by key, each drawn when it is new and patched when its datum is another than before.
 * Data are never changed in place, so the same object means that there is nothing to do.
 */
export class Keyed<T extends object, E extends Element> {
  private readonly items = new Map<string, { datum?: T; element: E; patch: (datum: T) => void }>();

  constructor(private readonly draw: (datum: T) => { element: E; patch: (datum: T) => void }) {}

  /** Brings every element up to date, and returns them in the order of the data. */
  update(data: Iterable<[string, T]>): E[] {
    const seen = new Set<string>();
    const elements: E[] = [];
    for (const [key, datum] of data) {
      seen.add(key);
      let item = this.items.get(key);
      if (!item) this.items.set(key, (item = this.draw(datum)));
      if (item.datum !== datum) item.patch((item.datum = datum));
      elements.push(item.element);
    }
    for (const key of this.items.keys()) if (!seen.has(key)) this.items.delete(key);
    return elements;
  }
}
