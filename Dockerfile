FROM python:3.13-slim-bookworm AS packages
COPY requirements/run.txt .
RUN python -m venv /packages \
    && /packages/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement run.txt

FROM python:3.13-slim-bookworm
ENV PATH=/packages/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data
RUN useradd --uid 10001 --user-group --no-create-home portal \
    && install --directory --owner portal --group portal /data /data/public
COPY --from=packages /packages /packages
COPY manage.py /app/
COPY incidents /app/incidents
COPY portal /app/portal
COPY status /app/status
COPY templates /app/templates
RUN ln -s /app/manage.py /usr/local/bin/incident-portal && python -m compileall -q /app
USER portal
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["incident-portal"]
CMD ["up", "--address=0.0.0.0"]
