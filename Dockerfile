# The image that docs/scheduling.md runs, from the wheel: `just release`, then `docker build --tag polydoc-analytics .`
FROM python:3.13-slim
COPY dist/*.whl /wheels/
RUN for wheel in /wheels/*.whl; do pip install --no-cache-dir "$wheel[all]"; done && useradd --uid 10001 reports
USER 10001
WORKDIR /srv/reports
ENTRYPOINT ["polydoc-analytics"]
CMD ["schedule", "run"]
