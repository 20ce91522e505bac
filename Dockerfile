# LLM Playground in a container: the same two steps as `make run`, then the server.
#   docker compose up        and open http://127.0.0.1:8000 with the token that it prints
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml requirements.lock requirements-dev.lock Makefile README.md LICENSE ./
COPY tools tools
COPY recipes recipes
COPY frontend frontend
COPY backend/llm_playground backend/llm_playground
RUN make web
RUN useradd --create-home app && mkdir /workspace && chown app /workspace
USER app
# Inside a container the server must listen on every address, so it asks for the token it prints
# (or the one in LLMP_TOKEN).
ENV HOST=0.0.0.0 PORT=8000 LLMP_WORKSPACE=/workspace OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=1000
VOLUME /workspace
EXPOSE 8000
CMD [".venv/bin/llmp", "serve"]
