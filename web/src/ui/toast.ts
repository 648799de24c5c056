/** Short words about what just happened. Errors stay until they are closed. */

export interface Toast {
  id: number;
  tone: "info" | "error";
  title: string;
  message?: string | undefined;
  fix?: string | undefined;
}

const INFO_MS = 4_000;
const MOST = 4;

let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function add(toast: Omit<Toast, "id">): number {
  const id = nextId++;
  set([...toasts, { ...toast, id }].slice(-MOST));
  return id;
}

export const toast = {
  info(title: string): void {
    const id = add({ tone: "info", title });
    setTimeout(() => toast.dismiss(id), INFO_MS);
  },
  error(title: string, message?: string, fix?: string): void {
    add({ tone: "error", title, message, fix });
  },
  dismiss(id: number): void {
    set(toasts.filter((one) => one.id !== id));
  },
  clear(): void {
    set([]);
  },
};

export function getToasts(): readonly Toast[] {
  return toasts;
}

export function subscribeToasts(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
