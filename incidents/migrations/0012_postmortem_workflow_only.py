import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0011_carry_postmortems_over'),
    ]

    operations = [
        migrations.AlterField(
            model_name='postmortem',
            name='title',
            field=models.CharField(max_length=255, verbose_name='title'),
        ),
        migrations.AlterField(
            model_name='postmortem',
            name='page',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='postmortems', to='incidents.page', verbose_name='page'),
        ),
        migrations.AlterField(
            model_name='postmortem',
            name='edited_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='last edited by'),
        ),
        migrations.RemoveField(
            model_name='historicalpostmortem',
            name='author',
        ),
        migrations.RemoveField(
            model_name='historicalpostmortem',
            name='body',
        ),
        migrations.RemoveField(
            model_name='historicalpostmortem',
            name='display_at',
        ),
        migrations.RemoveField(
            model_name='historicalpostmortem',
            name='incident',
        ),
        migrations.RemoveField(
            model_name='historicalpostmortem',
            name='published_at',
        ),
        migrations.RemoveField(
            model_name='postmortem',
            name='author',
        ),
        migrations.RemoveField(
            model_name='postmortem',
            name='body',
        ),
        migrations.RemoveField(
            model_name='postmortem',
            name='display_at',
        ),
        migrations.RemoveField(
            model_name='postmortem',
            name='incident',
        ),
        migrations.RemoveField(
            model_name='postmortem',
            name='published_at',
        ),
        migrations.AddConstraint(
            model_name='postmortem',
            constraint=models.CheckConstraint(condition=models.Q(('title', ''), _negated=True), name='postmortem_has_title'),
        ),
        migrations.AddConstraint(
            model_name='postmortem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_by', None), ('approved_hash', ''), ('break_glass', ''), ('state__in', ['draft', 'in_review'])), models.Q(('approved_by__isnull', False), ('state__in', ['approved', 'published']), models.Q(('approved_hash', ''), _negated=True)), _connector='OR'), name='postmortem_approval_goes_with_state'),
        ),
        migrations.AddConstraint(
            model_name='postmortem',
            constraint=models.CheckConstraint(condition=models.Q(('approved_by', None), models.Q(('approved_by', models.F('edited_by')), _negated=True), models.Q(('break_glass', ''), _negated=True), _connector='OR'), name='postmortem_four_eyes'),
        ),
    ]
