import type { NextConfig } from "next";

// The address of a running `llmp serve`, for `npm run dev` only: the built app is served by that program itself.
const backend = process.env.LLMP_API ?? "http://127.0.0.1:8000";

const config: NextConfig = {
  output: "export",
  trailingSlash: true,
  images: { unoptimized: true },
  reactStrictMode: true,
  // One name for every build, so that a rebuilt page never asks for a folder that is gone.
  generateBuildId: () => "llm-playground",
};

const development: NextConfig = {
  ...config,
  output: undefined,
  compress: false, // compression would hold back streamed events
  skipTrailingSlashRedirect: true,
  allowedDevOrigins: ["127.0.0.1"],
  rewrites: async () => [
    { source: "/api/:path*", destination: `${backend}/api/:path*` },
    { source: "/v1/:path*", destination: `${backend}/v1/:path*` },
  ],
};

export default process.env.NODE_ENV === "development" ? development : config;
