import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import { toast } from "../ui/toast";

configure({ asyncUtilTimeout: 15_000 });

afterEach(() => {
  cleanup();
  toast.clear();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
