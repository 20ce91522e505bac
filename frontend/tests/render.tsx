import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";

import { Providers } from "@/components/shell/providers";

/** Shows a part of the app inside its real providers (queries, live news, theme, tooltips, toasts). */
export function show(node: ReactNode) {
  const user = userEvent.setup();
  return { user, ...render(<Providers>{node}</Providers>) };
}
