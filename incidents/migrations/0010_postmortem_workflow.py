import django.db.models.deletion
import django.utils.timezone
import incidents.models.base
import incidents.models.page
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0009_promises'),
    ]

    operations = [
        migrations.AlterField(
            model_name='postmortem',
            name='incident',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='incidents.incident'),
        ),
        migrations.CreateModel(
            name='ActionItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=incidents.models.base.new_public_id, editable=False, max_length=12, unique=True, verbose_name='public id')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('kind', models.CharField(choices=[('corrective', 'Corrective'), ('preventative', 'Preventative'), ('detective', 'Detective')], default='preventative', max_length=12, verbose_name='kind')),
                ('text', models.CharField(max_length=500, verbose_name='measure')),
                ('due_on', models.DateField(blank=True, null=True, verbose_name='due')),
                ('tracker_url', models.URLField(blank=True, verbose_name='link to a tracker')),
                ('is_commitment', models.BooleanField(default=False, verbose_name='public commitment')),
                ('public_wording', models.CharField(blank=True, help_text='As customers read it under the report. It is approved with the report.', max_length=500, verbose_name='public wording')),
                ('state', models.CharField(choices=[('open', 'Open'), ('in_progress', 'In progress'), ('done', 'Done'), ('verified', 'Verified'), ('dropped', 'Dropped')], default='open', editable=False, max_length=12, verbose_name='state')),
                ('evidence', models.CharField(blank=True, help_text='What shows it: a link or a sentence. Internal.', max_length=500, verbose_name='evidence')),
                ('done_on', models.DateField(blank=True, editable=False, null=True, verbose_name='done on')),
                ('verified_on', models.DateField(blank=True, editable=False, null=True, verbose_name='verified on')),
                ('dropped_because', models.CharField(blank=True, editable=False, max_length=500, verbose_name='dropped because')),
            ],
            options={
                'verbose_name': 'action item',
                'verbose_name_plural': 'action items',
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='HistoricalActionItem',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('public_id', models.CharField(db_index=True, default=incidents.models.base.new_public_id, editable=False, max_length=12, verbose_name='public id')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(blank=True, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('history_change_reason', models.TextField(null=True)),
                ('kind', models.CharField(choices=[('corrective', 'Corrective'), ('preventative', 'Preventative'), ('detective', 'Detective')], default='preventative', max_length=12, verbose_name='kind')),
                ('text', models.CharField(max_length=500, verbose_name='measure')),
                ('due_on', models.DateField(blank=True, null=True, verbose_name='due')),
                ('tracker_url', models.URLField(blank=True, verbose_name='link to a tracker')),
                ('is_commitment', models.BooleanField(default=False, verbose_name='public commitment')),
                ('public_wording', models.CharField(blank=True, help_text='As customers read it under the report. It is approved with the report.', max_length=500, verbose_name='public wording')),
                ('state', models.CharField(choices=[('open', 'Open'), ('in_progress', 'In progress'), ('done', 'Done'), ('verified', 'Verified'), ('dropped', 'Dropped')], default='open', editable=False, max_length=12, verbose_name='state')),
                ('evidence', models.CharField(blank=True, help_text='What shows it: a link or a sentence. Internal.', max_length=500, verbose_name='evidence')),
                ('done_on', models.DateField(blank=True, editable=False, null=True, verbose_name='done on')),
                ('verified_on', models.DateField(blank=True, editable=False, null=True, verbose_name='verified on')),
                ('dropped_because', models.CharField(blank=True, editable=False, max_length=500, verbose_name='dropped because')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical action item',
                'verbose_name_plural': 'historical action items',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalPostmortemComment',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('public_id', models.CharField(db_index=True, default=incidents.models.base.new_public_id, editable=False, max_length=12, verbose_name='public id')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(blank=True, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('history_change_reason', models.TextField(null=True)),
                ('text', models.TextField(max_length=5000, verbose_name='comment')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical comment',
                'verbose_name_plural': 'historical comments',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalPostmortemSection',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('public_id', models.CharField(db_index=True, default=incidents.models.base.new_public_id, editable=False, max_length=12, verbose_name='public id')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(blank=True, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('history_change_reason', models.TextField(null=True)),
                ('key', models.CharField(choices=[('summary', 'Summary'), ('leadup', 'Leadup'), ('fault', 'Fault'), ('impact', 'Impact'), ('detection', 'Detection'), ('response', 'Response'), ('timeline', 'Timeline'), ('root_cause', 'Root Cause'), ('mitigation_resolution', 'Mitigation and resolution'), ('corrective_preventative', 'Corrective and Preventative Measures'), ('lessons', 'Lessons learned'), ('surprises', 'What surprised us'), ('evidence', 'Evidence'), ('other', 'Other')], default='other', max_length=24, verbose_name='about')),
                ('heading', models.CharField(max_length=200, verbose_name='heading')),
                ('position', models.PositiveIntegerField(verbose_name='position')),
                ('internal', models.TextField(blank=True, help_text='Only staff read it. Markdown.', verbose_name='internal text')),
                ('public', models.TextField(blank=True, help_text='Customers read it. Markdown.', verbose_name='public text')),
                ('withheld', models.CharField(blank=True, help_text='Why there is no public text. Internal.', max_length=500, verbose_name='withheld because')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical postmortem section',
                'verbose_name_plural': 'historical postmortem sections',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='PostmortemComment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=incidents.models.base.new_public_id, editable=False, max_length=12, unique=True, verbose_name='public id')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('text', models.TextField(max_length=5000, verbose_name='comment')),
            ],
            options={
                'verbose_name': 'comment',
                'verbose_name_plural': 'comments',
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='PostmortemLook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='PostmortemRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='number')),
                ('content', models.JSONField(help_text='As `Postmortem.content()` gives it.', verbose_name='content')),
                ('content_hash', models.CharField(max_length=64, verbose_name='approved text')),
                ('what_changed', models.CharField(blank=True, max_length=500, verbose_name='what changed')),
                ('break_glass', models.CharField(blank=True, max_length=500, verbose_name='approved alone because')),
                ('display_at', models.DateTimeField(verbose_name='time shown')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, help_text="The server's clock.", verbose_name='published')),
                ('deliver_notifications', models.BooleanField(default=True, verbose_name='notify subscribers')),
            ],
            options={
                'verbose_name': 'postmortem revision',
                'verbose_name_plural': 'postmortem revisions',
                'ordering': ('postmortem', '-number'),
            },
        ),
        migrations.CreateModel(
            name='PostmortemSection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=incidents.models.base.new_public_id, editable=False, max_length=12, unique=True, verbose_name='public id')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('key', models.CharField(choices=[('summary', 'Summary'), ('leadup', 'Leadup'), ('fault', 'Fault'), ('impact', 'Impact'), ('detection', 'Detection'), ('response', 'Response'), ('timeline', 'Timeline'), ('root_cause', 'Root Cause'), ('mitigation_resolution', 'Mitigation and resolution'), ('corrective_preventative', 'Corrective and Preventative Measures'), ('lessons', 'Lessons learned'), ('surprises', 'What surprised us'), ('evidence', 'Evidence'), ('other', 'Other')], default='other', max_length=24, verbose_name='about')),
                ('heading', models.CharField(max_length=200, verbose_name='heading')),
                ('position', models.PositiveIntegerField(verbose_name='position')),
                ('internal', models.TextField(blank=True, help_text='Only staff read it. Markdown.', verbose_name='internal text')),
                ('public', models.TextField(blank=True, help_text='Customers read it. Markdown.', verbose_name='public text')),
                ('withheld', models.CharField(blank=True, help_text='Why there is no public text. Internal.', max_length=500, verbose_name='withheld because')),
            ],
            options={
                'verbose_name': 'postmortem section',
                'verbose_name_plural': 'postmortem sections',
                'ordering': ('position', 'id'),
            },
        ),
        migrations.AlterModelOptions(
            name='postmortem',
            options={'ordering': ('-id',), 'permissions': (('edit_postmortem', 'Write postmortems, and note their action items'), ('approve_postmortem', 'Approve postmortems that others wrote'), ('publish_postmortem', 'Publish, amend and take back postmortems')), 'verbose_name': 'postmortem', 'verbose_name_plural': 'postmortems'},
        ),
        migrations.AddField(
            model_name='historicalincident',
            name='postmortem',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='incidents.postmortem', verbose_name='postmortem'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='approved_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='approved'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='approved_by',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='approved_hash',
            field=models.CharField(blank=True, editable=False, max_length=64, verbose_name='approved text'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='break_glass',
            field=models.CharField(blank=True, editable=False, help_text='Why the last editor approved their own text.', max_length=500, verbose_name='approved alone because'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='due_on',
            field=models.DateField(blank=True, null=True, verbose_name='due'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='edited_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='last edited'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='edited_by',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='last edited by'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='owner',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='page',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='incidents.page', verbose_name='page'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('in_review', 'In review'), ('approved', 'Approved'), ('published', 'Published')], default='draft', editable=False, max_length=10, verbose_name='state'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='time_zone',
            field=models.CharField(default='Etc/UTC', help_text='In which the report tells times, like Etc/UTC or Europe/Rome.', max_length=64, validators=[incidents.models.page.validate_time_zone], verbose_name='time zone'),
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='title',
            field=models.CharField(default='', max_length=255, verbose_name='title'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='historicalpostmortem',
            name='withdrawn_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='taken back'),
        ),
        migrations.AddField(
            model_name='incident',
            name='postmortem',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='incidents', to='incidents.postmortem', verbose_name='postmortem'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='approved_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='approved'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='approved_by',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='approved_hash',
            field=models.CharField(blank=True, editable=False, max_length=64, verbose_name='approved text'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='break_glass',
            field=models.CharField(blank=True, editable=False, help_text='Why the last editor approved their own text.', max_length=500, verbose_name='approved alone because'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='due_on',
            field=models.DateField(blank=True, null=True, verbose_name='due'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='edited_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='last edited'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='edited_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='last edited by'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='page',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='postmortems', to='incidents.page', verbose_name='page'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('in_review', 'In review'), ('approved', 'Approved'), ('published', 'Published')], default='draft', editable=False, max_length=10, verbose_name='state'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='time_zone',
            field=models.CharField(default='Etc/UTC', help_text='In which the report tells times, like Etc/UTC or Europe/Rome.', max_length=64, validators=[incidents.models.page.validate_time_zone], verbose_name='time zone'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='title',
            field=models.CharField(max_length=255, null=True, verbose_name='title'),
        ),
        migrations.AddField(
            model_name='postmortem',
            name='withdrawn_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='taken back'),
        ),
        migrations.AlterField(
            model_name='outboxevent',
            name='kind',
            field=models.CharField(choices=[('update_posted', 'Update posted'), ('update_corrected', 'Update corrected'), ('maintenance_reminder', 'Reminder of a maintenance'), ('incident_edited', 'Incident edited'), ('postmortem_published', 'Postmortem published'), ('postmortem_amended', 'Postmortem amended'), ('commitment_fulfilled', 'Public commitment fulfilled'), ('component_changed', 'Component status changed'), ('page_changed', 'Page or its components edited')], max_length=24, verbose_name='kind'),
        ),
        migrations.AddField(
            model_name='actionitem',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddField(
            model_name='actionitem',
            name='postmortem',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='action_items', to='incidents.postmortem'),
        ),
        migrations.AddField(
            model_name='outboxevent',
            name='action_item',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='incidents.actionitem'),
        ),
        migrations.AddField(
            model_name='historicalactionitem',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalactionitem',
            name='owner',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddField(
            model_name='historicalactionitem',
            name='postmortem',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='incidents.postmortem'),
        ),
        migrations.AddField(
            model_name='historicalpostmortemcomment',
            name='author',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='author'),
        ),
        migrations.AddField(
            model_name='historicalpostmortemcomment',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalpostmortemcomment',
            name='settled_by',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='settled by'),
        ),
        migrations.AddField(
            model_name='historicalpostmortemsection',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalpostmortemsection',
            name='postmortem',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='incidents.postmortem'),
        ),
        migrations.AddField(
            model_name='postmortemcomment',
            name='author',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='author'),
        ),
        migrations.AddField(
            model_name='postmortemcomment',
            name='settled_by',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='settled by'),
        ),
        migrations.AddField(
            model_name='postmortemlook',
            name='postmortem',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='looks', to='incidents.postmortem'),
        ),
        migrations.AddField(
            model_name='postmortemlook',
            name='reader',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='postmortemrevision',
            name='approved_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by'),
        ),
        migrations.AddField(
            model_name='postmortemrevision',
            name='author',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='published by'),
        ),
        migrations.AddField(
            model_name='postmortemrevision',
            name='edited_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='last edited by'),
        ),
        migrations.AddField(
            model_name='postmortemrevision',
            name='postmortem',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='incidents.postmortem'),
        ),
        migrations.AddField(
            model_name='postmortemsection',
            name='postmortem',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sections', to='incidents.postmortem'),
        ),
        migrations.AddField(
            model_name='postmortemcomment',
            name='section',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='incidents.postmortemsection'),
        ),
        migrations.AddField(
            model_name='historicalpostmortemcomment',
            name='section',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='incidents.postmortemsection'),
        ),
        migrations.AddConstraint(
            model_name='actionitem',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['corrective', 'preventative', 'detective'])), name='action_item_kind'),
        ),
        migrations.AddConstraint(
            model_name='actionitem',
            constraint=models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='action_item_has_text'),
        ),
        migrations.AddConstraint(
            model_name='actionitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('done_on', None), ('state__in', ['open', 'in_progress']), ('verified_on', None)), models.Q(('done_on', None), ('state', 'dropped'), ('verified_on', None), models.Q(('dropped_because', ''), _negated=True)), models.Q(('done_on__isnull', False), ('state', 'done'), ('verified_on', None), models.Q(('evidence', ''), _negated=True)), models.Q(('done_on__isnull', False), ('state', 'verified'), ('verified_on__isnull', False), models.Q(('evidence', ''), _negated=True)), _connector='OR'), name='action_item_state_has_its_facts'),
        ),
        migrations.AddConstraint(
            model_name='actionitem',
            constraint=models.CheckConstraint(condition=models.Q(('is_commitment', False), models.Q(('public_wording', ''), _negated=True), _connector='OR'), name='action_item_commitment_has_wording', violation_error_message='A public commitment needs its public wording.'),
        ),
        migrations.AddConstraint(
            model_name='postmortemlook',
            constraint=models.UniqueConstraint(fields=('postmortem', 'reader'), name='postmortem_look_of_reader'),
        ),
        migrations.AddConstraint(
            model_name='postmortemrevision',
            constraint=models.UniqueConstraint(fields=('postmortem', 'number'), name='postmortem_revision_number'),
        ),
        migrations.AddConstraint(
            model_name='postmortemrevision',
            constraint=models.CheckConstraint(condition=models.Q(('number', 1), models.Q(('number__gt', 1), models.Q(('what_changed', ''), _negated=True)), _connector='OR'), name='postmortem_amendment_says_what'),
        ),
        migrations.AddConstraint(
            model_name='postmortemrevision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_by', models.F('edited_by')), _negated=True), models.Q(('break_glass', ''), _negated=True), _connector='OR'), name='postmortem_revision_four_eyes'),
        ),
        migrations.AddConstraint(
            model_name='postmortemsection',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None), models.Q(('key', 'other'), _negated=True)), fields=('postmortem', 'key'), name='postmortem_section_once', violation_error_message='There is a section about this already.'),
        ),
        migrations.AddConstraint(
            model_name='postmortemsection',
            constraint=models.CheckConstraint(condition=models.Q(('heading', ''), _negated=True), name='postmortem_section_has_heading'),
        ),
        migrations.AddConstraint(
            model_name='postmortemsection',
            constraint=models.CheckConstraint(condition=models.Q(('key__in', ['summary', 'leadup', 'fault', 'impact', 'detection', 'response', 'timeline', 'root_cause', 'mitigation_resolution', 'corrective_preventative', 'lessons', 'surprises', 'evidence', 'other'])), name='postmortem_section_key'),
        ),
        migrations.AddConstraint(
            model_name='postmortemcomment',
            constraint=models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='postmortem_comment_has_text'),
        ),
    ]
