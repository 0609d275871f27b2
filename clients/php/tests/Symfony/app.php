<?php

// What both ways into the small application need: Debian's Symfony, or the one that Composer has installed.

declare(strict_types=1);

require_once __DIR__ . '/../bootstrap.php';
@include_once 'Symfony/Bundle/FrameworkBundle/autoload.php';
@include_once 'Symfony/Component/Messenger/autoload.php';
@include_once 'Symfony/Component/Console/autoload.php';
