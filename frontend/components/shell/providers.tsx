"use client";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { ThemeProvider, useTheme } from "next-themes";
import { type ReactNode, useState } from "react";
import { Toaster } from "sonner";

import { shouldRetry, useLiveRuns } from "@/lib/queries";

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { retry: shouldRetry, staleTime: 5_000, networkMode: "always" },
      mutations: { networkMode: "always" }, // the program is on this computer: no network is needed
    },
  });
}

export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(makeQueryClient);
  return (
    <ThemeProvider attribute="class" defaultTheme="system" enableSystem disableTransitionOnChange>
      <QueryClientProvider client={client}>
        <LiveRuns />
        {children}
        <Toasts />
      </QueryClientProvider>
    </ThemeProvider>
  );
}

function LiveRuns() {
  useLiveRuns();
  return null;
}

function Toasts() {
  const { resolvedTheme } = useTheme();
  return (
    <Toaster
      theme={resolvedTheme === "dark" ? "dark" : "light"}
      position="bottom-right"
      toastOptions={{
        style: {
          background: "var(--surface)",
          color: "var(--foreground)",
          borderColor: "var(--border-strong)",
          borderRadius: "8px",
          fontFamily: "inherit",
        },
        classNames: { description: "!text-muted", actionButton: "!bg-accent !text-on-accent" },
      }}
    />
  );
}
