"""The endpoints in Django REST framework, by its own means: model serializers, generic views, its cursor pages."""

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import generics, serializers
from rest_framework.generics import get_object_or_404
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.assets.models import Asset, Lineage
from backend.generations.models import Job
from backend.projects.models import Document, Project
from backend.recommendations.queries import suggestions_for
from backend.workspaces.models import Workspace
from tests.bench._api_peers.files import files_of


class NewestFirst(CursorPagination):
    page_size = 50
    ordering = ("-created_at", "-id")


class LineageSerializer(serializers.ModelSerializer):
    compute_s = serializers.SerializerMethodField()

    class Meta:
        model = Lineage
        fields = ["parent_id", "task", "model", "model_version", "parameters", "compute_s", "job_id"]

    def get_compute_s(self, lineage: Lineage) -> float:
        return lineage.compute_us / 1e6


class AssetSerializer(serializers.ModelSerializer):
    state = serializers.ReadOnlyField(default="ready")
    renditions = serializers.SerializerMethodField()
    lineage = serializers.SerializerMethodField()

    class Meta:
        model = Asset
        fields = [
            *("id", "project_id", "name", "media_type", "width", "height", "size_bytes", "sha256", "created_at"),
            *("created_by_id", "state", "renditions", "lineage", "version"),
        ]

    def get_renditions(self, asset: Asset) -> dict[str, Any]:
        return files_of(asset)

    def get_lineage(self, asset: Asset) -> Any:
        made = getattr(asset, "lineage", None)
        return LineageSerializer(made).data if made else None


class ProjectSerializer(serializers.ModelSerializer):
    class Meta:
        model = Project
        fields = ["id", "workspace_id", "name", "created_at"]


class DocumentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Document
        fields = ["id", "project_id", "kind", "name", "epoch", "created_at"]


class JobSerializer(serializers.ModelSerializer):
    progress = serializers.SerializerMethodField()
    estimate_s = serializers.SerializerMethodField()
    compute_s = serializers.SerializerMethodField()
    created_by = serializers.UUIDField(source="person_id")

    class Meta:
        model = Job
        fields = [
            *("id", "project_id", "task", "parameters", "state", "progress", "input_asset_id", "output_asset_id"),
            *("document_id", "element_id", "edit_id", "error", "estimate_s", "compute_s", "created_by", "created_at"),
            *("started_at", "finished_at"),
        ]

    def get_progress(self, job: Job) -> dict[str, int]:
        return {"done": job.progress_done, "total": job.progress_total}

    def get_estimate_s(self, job: Job) -> float:
        return job.estimate_us / 1e6

    def get_compute_s(self, job: Job) -> float | None:
        return None if job.compute_us is None else job.compute_us / 1e6


def project_of(view: Any) -> Project:
    mine = Project.objects.filter(workspace__members__person=view.request.user)
    project: Project = get_object_or_404(mine, pk=view.kwargs["project_id"])
    return project


class ProjectView(generics.RetrieveAPIView):
    serializer_class = ProjectSerializer
    lookup_url_kwarg = "project_id"

    def get_queryset(self) -> QuerySet[Project]:
        return Project.objects.filter(workspace__members__person=self.request.user)


class DocumentsView(generics.ListAPIView):
    serializer_class = DocumentSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Document]:
        return Document.objects.filter(project=project_of(self))


class JobsView(generics.ListAPIView):
    serializer_class = JobSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Job]:
        return Job.objects.filter(project=project_of(self))


class AssetsView(generics.ListAPIView):
    serializer_class = AssetSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Asset]:
        return Asset.objects.filter(project=project_of(self)).select_related("lineage")


class SearchView(generics.ListAPIView):
    serializer_class = AssetSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Asset]:
        mine = Workspace.objects.filter(members__person=self.request.user)
        workspace = get_object_or_404(mine, pk=self.kwargs["workspace_id"])
        found = Asset.objects.filter(workspace=workspace, folded__holds=self.request.query_params["q"])
        return found.select_related("lineage")


class SuggestionsView(APIView):
    def get(self, request: Any, project_id: Any) -> Response:
        found = suggestions_for(project_of(self), person_id=request.user.pk)
        items = [
            {
                "kind": item.kind,
                "id": item.id,
                "name": item.name,
                "thumbnail_url": item.thumbnail_url,
                "reason": item.reason,
                "score": item.score,
            }
            for item in found.items
        ]
        return Response({"items": items, "as_of": found.as_of})


urlpatterns = [
    path("projects/<uuid:project_id>", ProjectView.as_view()),
    path("projects/<uuid:project_id>/documents", DocumentsView.as_view()),
    path("projects/<uuid:project_id>/jobs", JobsView.as_view()),
    path("projects/<uuid:project_id>/assets", AssetsView.as_view()),
    path("projects/<uuid:project_id>/suggestions", SuggestionsView.as_view()),
    path("workspaces/<uuid:workspace_id>/assets", SearchView.as_view()),
]
